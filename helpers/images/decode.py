"""Any photograph in, the course's standard picture out.

Untrusted bytes are only ever decoded in worker processes.

Run as a script, this module is such a worker (`helpers.images.workers` starts it). It imports
nothing of helpers but the statuses lying beside it: no `__main__` of a notebook or a caller's
script is imported again, a crash in a decoder costs one picture, and a killed parent leaves no
workers.
"""

import hashlib
import io
import json
import os
import signal
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import IO

import numpy as np
from PIL import AvifImagePlugin, Image, ImageCms, ImageOps, UnidentifiedImageError

if __package__:
    from helpers.images.statuses import ImageError
else:  # a worker: its own folder goes last, so that nothing there hides a module of Python's
    sys.path.append(os.path.dirname(__file__))
    from statuses import ImageError  # type: ignore[import-not-found, no-redef]

FORMATS = ("AVIF", "WEBP", "PNG", "JPEG", "GIF", "BMP")  # nothing that can run code or open files
OUTPUT = "WEBP"
SIZE = 256
MOST_PIXELS = 40_000_000
LEAST_SIDE = 8
WORKER_BYTES = 560 << 20  # a worker's data segment: a decoder that wants more is stopped
_ENCODING = {"WEBP": {"quality": 85, "method": 2}}
_ORIENTATION = 0x0112  # the EXIF tag
_SIDEWAYS = (5, 6, 7, 8)  # its values that swap width and height
_DEEP_MODES = ("I;16", "I;16B", "I;16L", "I", "F")
_PALETTE_MODES = ("P", "PA", "1")
_STRIP = 1 << 20  # pixels converted at once


@dataclass(frozen=True)
class Picture:
    """A standardised picture.

    Attributes
    ----------
    data : bytes
        Encoded in `format`.
    width, height : int
        Pixels of the photograph it was made from.
    phash : str
        `perceptual_hash` of the picture before padding.
    seconds : float
        Processor time it took.
    """

    data: bytes
    format: str
    width: int
    height: int
    phash: str
    seconds: float = field(default=0.0, compare=False)

    @property
    def row(self) -> dict:
        """The columns of the index that the picture itself decides.

        Its name is the hash of its bytes.
        """
        name = sha256(self.data)
        return {
            "status": "ok",
            "image_path": f"images/{name}.{self.format.lower()}",
            "sha256": name,
            "phash": self.phash,
            "width": self.width,
            "height": self.height,
        }


Turn = Callable[[int], AbstractContextManager]


def _at_once(_n_pixels: int) -> AbstractContextManager:
    return nullcontext()


def sha256(data: bytes) -> str:
    """Hash of bytes as hex digits."""
    return hashlib.sha256(data).hexdigest()


def standardise(
    data: bytes,
    size: int = SIZE,
    format: str = OUTPUT,
    max_pixels: int = MOST_PIXELS,
    turn: Turn = _at_once,
) -> Picture:
    """Decode, turn upright, convert to sRGB, scale to `size`, pad to a white square, encode.

    Same bytes in, same bytes out. The type is sniffed from the bytes; of an animation the first
    frame counts.

    Parameters
    ----------
    data : bytes
    size : int
        Side of the square in pixels.
    format : str
        "WEBP", or one without loss such as "PNG".
    max_pixels : int
    turn : function of a number of pixels → context manager
        Entered while the picture is in memory in its full size.

    Raises
    ------
    ImageError
        `empty`, `not_an_image`, `corrupt` (or cut short), `too_large` (more than `max_pixels`) or
        `too_small` (a side under 8 pixels).
    """
    if not data:
        raise ImageError("empty", "no bytes")
    try:
        fitted, profile, width, height = _shrunk(data, size, max_pixels, turn)
    except UnidentifiedImageError as error:
        raise ImageError(_sniffed(data), f"starts {data[:12]!r}") from error
    except (MemoryError, Image.DecompressionBombError) as error:
        raise ImageError("too_large", str(error) or "the decoder ran out of memory") from error
    except (OSError, SyntaxError, ValueError, RuntimeError, EOFError, struct.error) as error:
        raise ImageError(_sniffed(data), str(error)) from error
    small = _srgb(fitted, profile)
    square = ImageOps.pad(small, (size, size), color="white")
    out = io.BytesIO()
    square.save(out, format, **_ENCODING.get(format, {}))
    return Picture(out.getvalue(), format, width, height, perceptual_hash(small))


def _shrunk(
    data: bytes, size: int, max_pixels: int, turn: Turn
) -> tuple[Image.Image, bytes | None, int, int]:
    """The image, upright and scaled to `size`; its profile; its width and height as sent."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        width, height = image.size
        if width * height > max_pixels:
            raise ImageError("too_large", f"{width} × {height} pixels")
        if min(width, height) < LEAST_SIDE:
            raise ImageError("too_small", f"{width} × {height} pixels")
        if image.format == "JPEG":
            image.draft(None, (2 * size, 2 * size))  # type: ignore[arg-type]
        with turn(width * height):
            image.load()
            profile = image.info.get("icc_profile")
            if image.getexif().get(_ORIENTATION, 1) in _SIDEWAYS:
                width, height = height, width
            ImageOps.exif_transpose(image, in_place=True)
            return _contain(image, size), profile, width, height


def perceptual_hash(image: Image.Image) -> str:
    """64 bits as 16 hex digits, alike for pictures that look alike.

    Bit by bit, which of the 8 × 8 lowest cosine frequencies of a grey copy of 32 × 32 pixels are
    above their median. The hash of ImageHash's `phash`, to the bit, without loading scipy into
    every worker.
    """
    small = image.convert("L").resize((32, 32), Image.Resampling.LANCZOS)
    grey = np.asarray(small, dtype=float)
    frequencies = np.arange(8)
    places = np.arange(32) + 0.5
    waves = np.cos(np.pi / 32 * np.outer(frequencies, places))
    low = waves @ grey @ waves.T
    return np.packbits(low > np.median(low)).tobytes().hex()


def _sniffed(data: bytes) -> str:
    """`corrupt` if the bytes begin as an image does though no decoder can use them, else
    `not_an_image`.
    """
    begins_as = (
        data[:3] == b"\xff\xd8\xff",
        data[:4] in (b"\x89PNG", b"GIF8"),
        data[8:12] == b"WEBP",
        data[4:12] in (b"ftypavif", b"ftypavis"),
    )
    return "corrupt" if any(begins_as) else "not_an_image"


def _contain(image: Image.Image, size: int) -> Image.Image:
    """Scale to fit `size`; palettes, bits and deep greys first become a mode that can be
    interpolated.
    """
    if image.mode in _DEEP_MODES:
        image = _eight_bits(image)
    elif image.mode in _PALETTE_MODES or "transparency" in image.info:
        image = image.convert("RGBA")
    scale = size / max(image.size)
    width, height = image.size
    box = (max(1, round(width * scale)), max(1, round(height * scale)))
    return image.resize(box, Image.Resampling.LANCZOS, reducing_gap=2.0)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 bits as grey of 8, in strips: an array of all pixels as floats would take four
    times the memory.
    """
    width, height = image.size
    grey = Image.new("L", image.size)
    rows = max(1, _STRIP // width)
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(top + rows, height)))
        values = np.clip(np.asarray(strip, np.float32), 0, 65535)
        shrunk = (values / 257).round().astype(np.uint8)
        grey.paste(Image.fromarray(shrunk), (0, top))
    return grey


def _srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Colours in sRGB by the embedded profile, transparency laid on white."""
    if profile and not _says_srgb(profile) and image.mode in ("RGB", "RGBA", "CMYK"):
        image = _by_profile(image, profile)
    if image.mode in ("RGBA", "LA"):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _says_srgb(profile: bytes) -> bool:
    return b"sRGB" in profile or b"s\0R\0G\0B" in profile


def _by_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """The image converted from its own colour profile; as it is where the profile is broken."""
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    base = image.convert("RGB") if alpha else image
    try:
        embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        srgb = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(base, embedded, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    if converted is None:
        return image
    if alpha:
        converted.putalpha(alpha)
    return converted


# What a worker and its parent say to each other: messages, each after its length in four bytes.


def write_message(stream: IO[bytes], message: bytes) -> None:
    """Write one length-prefixed message."""
    stream.write(struct.pack(">I", len(message)))
    stream.write(message)


def read_message(stream: IO[bytes]) -> bytes:
    """Read one length-prefixed message; EOFError if the other side is gone."""
    prefix = stream.read(4)
    if len(prefix) < 4:
        raise EOFError
    (length,) = struct.unpack(">I", prefix)
    message = stream.read(length)
    if len(message) < length:
        raise EOFError
    return message


def _limit_memory() -> None:
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (WORKER_BYTES, WORKER_BYTES))


def _limit_time(seconds: float) -> None:
    """End this process by a signal once it has used so much processor time; 0 lifts the limit."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _one_at_a_time(path: str, large: int) -> Turn:
    """Turns by which only one worker at a time holds a picture of `large` pixels or more.

    The workers share a lock on the file `path`; the system frees it when a worker dies. Without
    such locks, as on Windows, nobody waits.
    """
    try:
        import fcntl
    except ImportError:
        return _at_once
    file = open(path, "rb")  # a worker keeps it for life

    @contextmanager
    def turn(n_pixels: int) -> Iterator[None]:
        if n_pixels < large:
            yield
            return
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)

    return turn


def _answer(data: bytes, options: dict) -> tuple[dict, bytes]:
    """Head and payload of an answer: the picture, or the status and detail of its failure."""
    begin = time.process_time()
    payload = b""
    try:
        picture = standardise(data, **options)
        head = {name: value for name, value in vars(picture).items() if name != "data"}
        payload = picture.data
    except ImageError as error:
        head = {"status": error.status, "detail": error.detail}
    except MemoryError:
        head = {"status": "too_large", "detail": "the decoder ran out of memory"}
    except (
        Exception
    ) as error:  # a decoder's bug, set off by hostile bytes, is one picture's failure
        head = {"status": "undecodable", "detail": f"{type(error).__name__}: {error}"}
    head["seconds"] = time.process_time() - begin
    return head, payload


def _serve(options: dict, seconds: float, gate: str, large: int) -> None:
    """A worker's life: pictures in on stdin, answers out on stdout, until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    Image.MAX_IMAGE_PIXELS = None  # `standardise` has its own cap
    _limit_memory()
    options["turn"] = _one_at_a_time(gate, large)
    out = sys.stdout.buffer
    write_message(out, b"")  # ready
    out.flush()
    while True:
        try:
            data = read_message(sys.stdin.buffer)
        except EOFError:
            return
        _limit_time(seconds)
        head, payload = _answer(data, options)
        _limit_time(0)
        write_message(out, json.dumps(head).encode())
        write_message(out, payload)
        out.flush()


if __name__ == "__main__":
    _, given_options, given_seconds, gate_path, large_pixels = sys.argv
    _serve(json.loads(given_options), float(given_seconds), gate_path, int(large_pixels))

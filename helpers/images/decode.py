"""Any photograph in, the course's standard picture out; untrusted bytes are only ever decoded in worker processes.

The module imports nothing of helpers, so that a worker starts as a plain script: no `__main__` of a notebook or a
caller's script is imported again, a crash in a decoder costs one picture, and a killed parent leaves no workers.
"""

import contextlib
import hashlib
import io
import json
import os
import queue
import signal
import struct
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
from PIL import AvifImagePlugin, Image, ImageCms, ImageOps, UnidentifiedImageError

FORMATS = ("AVIF", "WEBP", "PNG", "JPEG", "GIF", "BMP")  # nothing that can run code or open files
DECODE_SECONDS = 20
WORKER_BYTES = (
    2 << 30
)  # a worker's data segment: a decoder that wants more is stopped, not the machine
WORKER_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
                      # glibc keeps a photo's memory for the next one: mapping it anew is a sixth of a worker's time
                      "MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
                      "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}  # fmt: skip  # large pages: 3 % more


class ImageError(Exception):
    """Why one image failed: `status` is a name of `safety.STATUSES`, `wait` the seconds a server asked for."""

    def __init__(self, status: str, detail: str = "", wait: float | None = None):
        super().__init__(f"{status}: {detail}")
        self.status, self.detail, self.wait = status, detail, wait


def sha256(data: bytes) -> str:
    """Hash of bytes as hex digits."""
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Picture:
    """A standardised picture in `format`, and the size in pixels of the photograph it was made from."""

    data: bytes
    format: str
    width: int
    height: int
    phash: str

    @property
    def row(self) -> dict:
        """The columns of the index that the picture itself decides; its name is the hash of its bytes."""
        name, size = sha256(self.data), {"width": self.width, "height": self.height}
        path = f"images/{name}.{self.format.lower()}"
        return {"status": "ok", "image_path": path, "sha256": name, "phash": self.phash, **size}


def standardise(
    data: bytes, size: int = 256, format: str = "WEBP", max_pixels: int = 40_000_000
) -> Picture:
    """Decode, turn upright, convert to sRGB, shrink or enlarge to `size`, pad to a white square, encode again.

    Same bytes in, same bytes out. The type is sniffed from the bytes; of an animation the first frame counts.
    `phash` is `perceptual_hash` of the picture before padding.

    Raises
    ------
    ImageError
        `empty`, `not_an_image`, `corrupt` (or cut short), `too_large` (more than `max_pixels`) or `too_small`
        (a side under 8 pixels).
    """
    if not data:
        raise ImageError("empty", "no bytes")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = image.size
            if width * height > max_pixels:
                raise ImageError("too_large", f"{width} × {height} pixels")
            if min(width, height) < 8:
                raise ImageError("too_small", f"{width} × {height} pixels")
            if image.format == "JPEG":
                image.draft(None, (2 * size, 2 * size))
            image.load()
            profile = image.info.get("icc_profile")
            if image.getexif().get(0x0112, 1) in (5, 6, 7, 8):
                width, height = height, width
            ImageOps.exif_transpose(image, in_place=True)
    except UnidentifiedImageError as error:
        raise ImageError(_sniffed(data), f"starts {data[:12]!r}") from error
    except MemoryError as error:
        raise ImageError("too_large", "the decoder ran out of memory") from error
    except (OSError, SyntaxError, ValueError, RuntimeError, EOFError, struct.error) as error:
        raise ImageError(_sniffed(data), str(error)[:120]) from error
    except Image.DecompressionBombError as error:
        raise ImageError("too_large", str(error)[:120]) from error
    small, out = _srgb(_contain(image, size), profile), io.BytesIO()
    options = {"quality": 85, "method": 2} if format == "WEBP" else {}
    ImageOps.pad(small, (size, size), color="white").save(out, format, **options)
    return Picture(out.getvalue(), format, width, height, perceptual_hash(small))


def perceptual_hash(image: Image.Image) -> str:
    """64 bits as 16 hex digits: which of the 8 × 8 lowest cosine frequencies of a 32 × 32 grey copy top their median.

    The hash of ImageHash's `phash`, to the bit, without loading scipy into every worker.
    """
    grey = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.LANCZOS), dtype=float)
    waves = np.cos(np.pi / 32 * np.outer(np.arange(8), np.arange(32) + 0.5))
    low = waves @ grey @ waves.T
    return np.packbits(low > np.median(low)).tobytes().hex()


def _sniffed(data: bytes) -> str:
    """`corrupt` if the bytes begin as an image does though no decoder can use them, else `not_an_image`."""
    magic = (
        data[:3] == b"\xff\xd8\xff" or data[:4] in (b"\x89PNG", b"GIF8") or data[8:12] == b"WEBP"
    )
    return "corrupt" if magic or data[4:12] in (b"ftypavif", b"ftypavis") else "not_an_image"


def _contain(image: Image.Image, size: int) -> Image.Image:
    """Scale to fit `size`; palettes, bits and deep greys first become a mode that can be interpolated."""
    if image.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        image = Image.fromarray(
            (np.clip(np.asarray(image, np.float32), 0, 65535) / 257).round().astype(np.uint8)
        )
    elif image.mode in ("P", "PA", "1") or "transparency" in image.info:
        image = image.convert("RGBA")
    scale = size / max(image.size)
    box = tuple(max(1, round(side * scale)) for side in image.size)
    return image.resize(box, Image.Resampling.LANCZOS, reducing_gap=2.0)


def _srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Colours in sRGB by the embedded profile, transparency laid on white."""
    if (
        profile
        and b"sRGB" not in profile
        and b"s\0R\0G\0B" not in profile
        and image.mode in ("RGB", "RGBA", "CMYK")
    ):
        alpha = image.getchannel("A") if image.mode == "RGBA" else None
        base = image.convert("RGB") if alpha else image
        try:
            embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            image = ImageCms.profileToProfile(
                base, embedded, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
            if alpha:
                image.putalpha(alpha)
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a broken profile: the plain conversion below is the best there is
    if image.mode in ("RGBA", "LA"):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


class Standardiser:
    """`standardise` in a few worker processes; callable from any number of threads.

    A worker that dies or takes longer than 20 s is replaced, and its picture is `undecodable`.
    """

    def __init__(self, workers: int | None = None, **options):
        self.workers = workers or os.cpu_count() or 1
        self._options = json.dumps(options)
        self._idle: queue.SimpleQueue = queue.SimpleQueue()
        for _ in range(self.workers):
            self._idle.put(None)

    def __call__(self, data: bytes) -> Picture:
        worker = self._idle.get()
        try:
            worker = worker or self._start()
            try:
                worker.stdin.write(struct.pack(">I", len(data)) + data)
                worker.stdin.flush()
                head = json.loads(_exactly(worker.stdout))
                payload = _exactly(worker.stdout)
            except (OSError, EOFError) as error:
                worker.kill()
                worker.wait()
                worker = None
                raise ImageError("undecodable", "the decoder crashed or took too long") from error
        finally:
            self._idle.put(worker)
        if "status" in head:
            raise ImageError(head["status"], head["detail"])
        return Picture(payload, **head)

    def _start(self) -> subprocess.Popen:
        command = [sys.executable, "-P", __file__, self._options]
        environment = {**os.environ, **WORKER_ENVIRONMENT}
        pipe, quiet = subprocess.PIPE, subprocess.DEVNULL
        worker = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=quiet, env=environment)
        with contextlib.suppress(
            ImportError, AttributeError, OSError
        ):  # Linux only, and not always granted
            import fcntl

            fcntl.fcntl(worker.stdin, fcntl.F_SETPIPE_SZ, 1 << 20)  # a photo in one write
        try:
            _exactly(worker.stdout)
        except EOFError as error:
            raise RuntimeError(
                f"the picture worker did not start; try: {' '.join(command)}"
            ) from error
        return worker

    def close(self) -> None:
        """Stop the workers."""
        for _ in range(self.workers):
            if worker := self._idle.get():
                worker.stdin.close()
                worker.stdout.close()
                worker.wait()
            self._idle.put(None)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def _exactly(stream) -> bytes:
    """One length-prefixed message."""
    prefix = stream.read(4)
    if len(prefix) < 4:
        raise EOFError
    (length,) = struct.unpack(">I", prefix)
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data


def _serve(options: dict) -> None:
    """A worker's whole life: pictures in on stdin, answers out on stdout, until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    Image.MAX_IMAGE_PIXELS = None  # `standardise` has its own cap
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (WORKER_BYTES, WORKER_BYTES))

    def answer(head: dict, payload: bytes = b"") -> None:
        text = json.dumps(head).encode()
        sys.stdout.buffer.write(
            struct.pack(">I", len(text)) + text + struct.pack(">I", len(payload)) + payload
        )
        sys.stdout.buffer.flush()

    sys.stdout.buffer.write(struct.pack(">I", 0))
    sys.stdout.buffer.flush()
    while True:
        try:
            data = _exactly(sys.stdin.buffer)
        except EOFError:
            return
        if hasattr(signal, "alarm"):
            signal.alarm(DECODE_SECONDS)
        try:
            picture = standardise(data, **options)
            head = {name: value for name, value in vars(picture).items() if name != "data"}
            answer(head, picture.data)
        except ImageError as error:
            answer({"status": error.status, "detail": error.detail})
        except (
            Exception
        ) as error:  # a decoder's bug, set off by hostile bytes, is one picture's failure
            answer({"status": "undecodable", "detail": f"{type(error).__name__}: {error}"[:120]})
        if hasattr(signal, "alarm"):
            signal.alarm(0)


if __name__ == "__main__":
    _serve(json.loads(sys.argv[1]))

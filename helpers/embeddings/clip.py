"""Pictures and texts as vectors of one space: any open_clip model."""

import hashlib
import io
import re
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
from tqdm import tqdm

from helpers.artefacts import ROOT

DEFAULT = "fashion-lite"
PRECISIONS = ("float32", "bf16")
BATCH = 8  # images in one forward pass on a CPU: for larger ones the system hands out memory anew, page by page
MAX_PIXELS = 100_000_000  # a larger picture isn't decoded: it may be made to exhaust memory


class EncoderUnavailable(RuntimeError):
    """The model can't be loaded here; the message holds the cause, and the default that always works."""


class EncoderChanged(ValueError):
    """Stored vectors come from another model than the one in hand."""


class ClipEncoder:
    """An image and a text tower that share one space.

    Parameters
    ----------
    model : str
        `"fashion-lite"` (shipped with the course), a name of `open_clip.list_models()`, an `hf-hub:` id, or a local
        folder laid out like one of the hub: `open_clip_config.json` beside the weights.
    pretrained : str, optional
        Tag of the weights, or a file of them; only for names of `open_clip.list_models()`.
    device : str, optional
        By default `"cuda"` where there is one, else `"cpu"`.
    precision : str
        `"float32"` gives the same vectors on every CPU, to 1e-5. `"bf16"` is faster on a GPU or on a CPU with AMX,
        but its vectors differ from those in the third digit.

    Attributes
    ----------
    name : str
        What results are labelled with.
    hash : str
        SHA-256 of weights, preprocessing and precision. Equal hashes mean equal vectors up to rounding.
    dim : int
        Length d of a vector.
    """

    def __init__(
        self,
        model: str = DEFAULT,
        pretrained: str | None = None,
        device: str | None = None,
        precision: str = "float32",
    ):
        import open_clip
        import torch

        if precision not in PRECISIONS:
            raise ValueError(
                f"precision {precision!r} is unknown; choose one of: {', '.join(PRECISIONS)}"
            )
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.name = model if pretrained is None else f"{model} ({Path(pretrained).name})"
        if Path(folder := model.removeprefix("local-dir:")).is_dir():
            self.name, model = Path(folder).resolve().name, f"local-dir:{Path(folder).resolve()}"
        elif model == DEFAULT and pretrained is None:
            folder = ROOT / "data" / "models" / DEFAULT
            open_clip.add_model_config(folder / f"{DEFAULT}.json")
            pretrained = str(folder / "model.safetensors")
        self.model, self.preprocess, self.tokenizer = _open(model, pretrained, self.name)
        *shape, _, self._normalise = (
            self.preprocess.transforms
        )  # the last two, tensor and scale, go by the batch
        self._shape = type(self.preprocess)(shape)
        self.hash = _model_hash(self.model, precision)
        self.model = for_inference(self.model).to(self.device)
        kind = torch.device(self.device).type
        self._rounding = partial(torch.autocast, kind, torch.bfloat16, enabled=precision == "bf16")
        self.dim = self.encode_texts([""]).shape[1]

    def encode_images(self, paths) -> np.ndarray:
        """Vectors (n, d) float32 of length 1 for image files; pictures are decoded while others are encoded.

        `paths` holds paths, files' bytes, or None. None and what can't be decoded get zeros; a warning counts those.
        """
        import torch

        paths = list(paths)
        out, broken = np.zeros((len(paths), self.dim), np.float32), []
        size = BATCH if self.device == "cpu" else 32 * BATCH
        batches = [paths[k : k + size] for k in range(0, len(paths), size)]
        # on a CPU as many batches at once as torch has threads, each on one thread, which then waits for no other
        threads = torch.get_num_threads()
        torch.set_num_threads(1 if self.device == "cpu" else threads)
        try:
            with (
                ThreadPoolExecutor(threads) as pool,
                tqdm(total=len(paths), desc="images", disable=None) as progress,
            ):
                for k, (vectors, missed) in enumerate(pool.map(self._encode, batches)):
                    out[k * size : k * size + len(vectors)] = vectors
                    broken += missed
                    progress.update(len(vectors))
        finally:
            torch.set_num_threads(threads)
        if broken:
            first = ", ".join(
                "bytes" if isinstance(source, bytes) else str(source) for source in broken[:3]
            )
            message = f"{len(broken)} of {len(paths)} pictures can't be decoded and get no image vector, first: {first}"
            warnings.warn(message, stacklevel=2)
        return out

    def encode_texts(self, texts) -> np.ndarray:
        """Vectors (n, d) float32 of length 1; what exceeds the model's context is cut off."""
        import torch

        texts, out = list(map(str, texts)), []
        with torch.inference_mode(), self._rounding():
            for k in range(0, len(texts), 32 * BATCH):
                ids = self.tokenizer(texts[k : k + 32 * BATCH]).to(self.device)
                out.append(encode_text(self.model, ids).cpu().numpy())
        return np.concatenate(out) if out else np.zeros((0, self.dim), np.float32)

    def _encode(self, sources) -> tuple[np.ndarray, list]:
        """Vectors of one batch, zeros where there is no picture, and the sources that are broken."""
        pictures, out = (
            [self._decode(source) for source in sources],
            np.zeros((len(sources), self.dim), np.float32),
        )
        good = [j for j, picture in enumerate(pictures) if picture is not None]
        if good:
            out[good] = self._forward([pictures[j] for j in good])
        return out, [
            source
            for source, x in zip(sources, pictures, strict=True)
            if x is None and source is not None
        ]

    def _decode(self, source):
        """One picture at the model's size, (h, w, 3) uint8, or None if there is none or it is broken."""
        from PIL import Image, ImageOps

        try:
            with Image.open(
                io.BytesIO(source or b"") if isinstance(source, bytes | None) else source
            ) as image:
                if image.width * image.height > MAX_PIXELS:
                    return None
                ImageOps.exif_transpose(image, in_place=True)
                if image.has_transparency_data:  # cut-out garments stand on white, as in a shop
                    image = Image.alpha_composite(
                        Image.new("RGBA", image.size, "white"), image.convert("RGBA")
                    )
                return np.asarray(
                    self._shape(image if image.mode == "RGB" else image.convert("RGB"))
                )
        except (
            OSError,
            ValueError,
            SyntaxError,
            EOFError,
            Image.DecompressionBombError,
        ):  # all that Pillow raises
            return None

    def _forward(self, pictures) -> np.ndarray:
        import torch

        batch = torch.from_numpy(np.stack(pictures))
        if self.device != "cpu":
            batch = batch.pin_memory().to(self.device, non_blocking=True)
        lines, scale = (
            batch.flatten(2).float(),
            self._normalise,
        )  # (n, h, 3w): whole lines at once take half the time
        mean, std = (
            lines.new_tensor(values).repeat(batch.shape[2]) for values in (scale.mean, scale.std)
        )
        batch = lines.div_(255).sub_(mean).div_(std).view(batch.shape)
        with torch.inference_mode(), self._rounding():  # channels last as it lies
            vectors = self.model.encode_image(batch.permute(0, 3, 1, 2)).float()
        return torch.nn.functional.normalize(vectors, dim=-1).cpu().numpy()


def encode_text(model, ids):
    """Vectors of length 1 as `model.encode_text` gives them, in half the time for short texts.

    Token ids (n, context) are cut to the longest text where causal attention makes that exact.
    """
    import torch

    projection = getattr(model, "text_projection", None)
    if (
        getattr(model, "text_pool_type", "") != "argmax"
        or model.attn_mask is None
        or not torch.is_tensor(projection)
    ):
        return torch.nn.functional.normalize(model.encode_text(ids).float(), dim=-1)
    last = ids.argmax(dim=1)  # the end of text has the largest id
    n = int(last.max()) + 1
    x = model.token_embedding(ids[:, :n]) + model.positional_embedding[:n]
    x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:n, :n]))
    return torch.nn.functional.normalize(
        (x[torch.arange(len(x)), last] @ projection).float(), dim=-1
    )


def _open(model: str, pretrained: str | None, name: str):
    """Model, preprocessing and tokenizer from open_clip, weights required; all failures as EncoderUnavailable."""
    import open_clip

    remedy = (
        f"The default needs no network: ClipEncoder() is {DEFAULT}, which ships with the course"
    )
    if pretrained is None and ":" not in model:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(model)[:6])
        known = (
            f"Give `pretrained`, one of: {tags}"
            if tags
            else "open_clip knows no model of that name"
        )
        raise EncoderUnavailable(f"{model}: no weights named. {known}. {remedy}.")
    try:
        loaded, _, preprocess = open_clip.create_model_and_transforms(
            model, pretrained, require_pretrained=True
        )
        return loaded.eval(), preprocess, open_clip.get_tokenizer(model)
    except (
        Exception
    ) as error:  # hub clients, file formats and optional text towers each raise their own
        cause = error
        while deeper := cause.__cause__ or cause.__context__:
            cause = deeper
        told = re.sub(r"\s+", " ", f"{error} [{type(cause).__name__}]")[:400]
        raise EncoderUnavailable(f"{name} can't be loaded: {told}. {remedy}.") from error


def _model_hash(model, precision: str) -> str:
    import open_clip

    settings = sorted(open_clip.get_model_preprocess_cfg(model).items())
    digest = hashlib.sha256(repr(settings).encode())
    digest.update(precision.encode())
    for key, value in sorted(model.state_dict().items()):
        digest.update(f"{key} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()


def for_inference(model):
    """Channels last; in timm's EfficientNets each batch norm folds into the convolution before it: 1.5 × faster."""
    import torch
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    trunk = getattr(model.visual, "trunk", None)
    if type(trunk).__name__ == "EfficientNet":
        for module in list(trunk.modules()):
            for (conv, c), (norm, n) in pairwise(
                list(module.named_children())
            ):  # timm lists them as they run
                if isinstance(c, torch.nn.Conv2d) and isinstance(n, torch.nn.BatchNorm2d):
                    setattr(module, conv, fuse_conv_bn_eval(c, n))
                    setattr(module, norm, n.act)
    return model.requires_grad_(False).to(memory_format=torch.channels_last)

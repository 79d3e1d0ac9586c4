"""Pictures and texts as vectors of one space: any open_clip model, with a cache that no other model can mix with."""

import hashlib
import io
import json
import re
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file
from tqdm import tqdm

from helpers.artefacts import ROOT, whole, write_json

DEFAULT = "fashion-lite"
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
        By default `"cuda"` where there is one, else `"cpu"`. On a GPU the forward pass runs in bfloat16.

    Attributes
    ----------
    name, hash : str
        What results are labelled with; SHA-256 of weights and preprocessing, so that equal hashes mean equal vectors.
    dim : int
        Length d of a vector.
    """

    def __init__(self, model: str = DEFAULT, pretrained: str | None = None, device: str | None = None):
        import open_clip
        import torch

        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.name = model if pretrained is None else f"{model} ({Path(pretrained).name})"
        if Path(folder := model.removeprefix("local-dir:")).is_dir():
            self.name, model = Path(folder).resolve().name, f"local-dir:{Path(folder).resolve()}"
        elif model == DEFAULT and pretrained is None:
            folder = ROOT / "data" / "models" / DEFAULT
            open_clip.add_model_config(folder / f"{DEFAULT}.json")
            pretrained = str(folder / "model.safetensors")
        self.model, self.preprocess, self.tokenizer = _open(model, pretrained, self.name)
        *shape, _, self._normalise = self.preprocess.transforms  # the last two, tensor and scale, go by the batch
        self._shape = type(self.preprocess)(shape)
        self.hash = _model_hash(self.model)
        self.model = for_inference(self.model).to(self.device)
        self._precision = partial(torch.autocast, "cuda", torch.bfloat16, enabled=self.device != "cpu")
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
            with ThreadPoolExecutor(threads) as pool, tqdm(total=len(paths), desc="images", disable=None) as progress:
                for k, (vectors, missed) in enumerate(pool.map(self._encode, batches)):
                    out[k * size : k * size + len(vectors)] = vectors
                    broken += missed
                    progress.update(len(vectors))
        finally:
            torch.set_num_threads(threads)
        if broken:
            first = ", ".join("bytes" if isinstance(source, bytes) else str(source) for source in broken[:3])
            message = f"{len(broken)} of {len(paths)} pictures can't be decoded and get no image vector, first: {first}"
            warnings.warn(message, stacklevel=2)
        return out

    def encode_texts(self, texts) -> np.ndarray:
        """Vectors (n, d) float32 of length 1; what exceeds the model's context is cut off."""
        import torch

        texts, out = list(map(str, texts)), []
        with torch.inference_mode(), self._precision():
            for k in range(0, len(texts), 32 * BATCH):
                ids = self.tokenizer(texts[k : k + 32 * BATCH]).to(self.device)
                out.append(self.model.encode_text(ids, normalize=True).float().cpu().numpy())
        return np.concatenate(out) if out else np.zeros((0, self.dim), np.float32)

    def _encode(self, sources) -> tuple[np.ndarray, list]:
        """Vectors of one batch, zeros where there is no picture, and the sources that are broken."""
        pictures, out = [self._decode(source) for source in sources], np.zeros((len(sources), self.dim), np.float32)
        good = [j for j, picture in enumerate(pictures) if picture is not None]
        if good:
            out[good] = self._forward([pictures[j] for j in good])
        return out, [source for source, x in zip(sources, pictures, strict=True) if x is None and source is not None]

    def _decode(self, source):
        """One picture at the model's size, (h, w, 3) uint8, or None if there is none or it is broken."""
        from PIL import Image, ImageOps

        try:
            with Image.open(io.BytesIO(source or b"") if isinstance(source, bytes | None) else source) as image:
                if image.width * image.height > MAX_PIXELS:
                    return None
                ImageOps.exif_transpose(image, in_place=True)
                if image.has_transparency_data:  # cut-out garments stand on white, as in a shop
                    image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
                return np.asarray(self._shape(image if image.mode == "RGB" else image.convert("RGB")))
        except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):  # all that Pillow raises
            return None

    def _forward(self, pictures) -> np.ndarray:
        import torch

        batch = torch.from_numpy(np.stack(pictures))
        if self.device != "cpu":
            batch = batch.pin_memory().to(self.device, non_blocking=True)
        lines, scale = batch.flatten(2).float(), self._normalise  # (n, h, 3w): whole lines at once take half the time
        mean, std = (lines.new_tensor(values).repeat(batch.shape[2]) for values in (scale.mean, scale.std))
        batch = lines.div_(255).sub_(mean).div_(std).view(batch.shape)
        with torch.inference_mode(), self._precision():  # channels last as it lies
            return self.model.encode_image(batch.permute(0, 3, 1, 2), normalize=True).float().cpu().numpy()


def _open(model: str, pretrained: str | None, name: str):
    """Model, preprocessing and tokenizer from open_clip, weights required; all failures as EncoderUnavailable."""
    import open_clip

    remedy = f"The default needs no network: ClipEncoder() is {DEFAULT}, which ships with the course"
    if pretrained is None and ":" not in model:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(model)[:6])
        known = f"Give `pretrained`, one of: {tags}" if tags else "open_clip knows no model of that name"
        raise EncoderUnavailable(f"{model}: no weights named. {known}. {remedy}.")
    try:
        loaded, _, preprocess = open_clip.create_model_and_transforms(model, pretrained, require_pretrained=True)
        return loaded.eval(), preprocess, open_clip.get_tokenizer(model)
    except Exception as error:  # hub clients, file formats and optional text towers each raise their own
        cause = error
        while deeper := cause.__cause__ or cause.__context__:
            cause = deeper
        told = re.sub(r"\s+", " ", f"{error} [{type(cause).__name__}]")[:400]
        raise EncoderUnavailable(f"{name} can't be loaded: {told}. {remedy}.") from error


def _model_hash(model) -> str:
    import open_clip

    digest = hashlib.sha256(repr(sorted(open_clip.get_model_preprocess_cfg(model).items())).encode())
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
            for (conv, c), (norm, n) in pairwise(list(module.named_children())):  # timm lists them as they run
                if isinstance(c, torch.nn.Conv2d) and isinstance(n, torch.nn.BatchNorm2d):
                    setattr(module, conv, fuse_conv_bn_eval(c, n))
                    setattr(module, norm, n.act)
    return model.requires_grad_(False).to(memory_format=torch.channels_last)


class VectorCache:
    """Vectors by content on disk, one folder a model: `folder/<hash>/`; safe for writers in parallel.

    A shard is written whole and never changed, named by the keys in it, so that two writers of the same thing agree.
    """

    def __init__(self, folder: str | Path, encoder: ClipEncoder):
        self.folder, path = Path(folder) / encoder.hash[:16], Path(folder) / encoder.hash[:16] / "encoder.json"
        if not path.exists():
            write_json({"encoder": encoder.name, "hash": encoder.hash}, path)
        elif json.loads(path.read_text(encoding="utf-8"))["hash"] != encoder.hash:
            raise EncoderChanged(f"{self.folder} holds other vectors than {encoder.name}'s; delete that folder")

    def read(self) -> dict[bytes, np.ndarray]:
        """All vectors by key; a damaged shard counts as absent, and is made again."""
        found = {}
        for shard in sorted(self.folder.glob("*.safetensors")):
            try:
                arrays = load_file(shard)
                found |= zip((key.tobytes() for key in arrays["keys"]), arrays["vectors"], strict=True)
            except Exception:  # safetensors' own error type covers only part of what a cut file raises
                continue
        return found

    def write(self, keys: list[bytes], vectors: np.ndarray) -> None:
        """Add a shard."""
        with whole(self.folder / f"{hashlib.sha256(b''.join(keys)).hexdigest()[:16]}.safetensors") as aside:
            save_file({"keys": np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 32), "vectors": vectors}, aside)

    def fetch(self, keys: list[bytes], make) -> np.ndarray:
        """Vectors (n, d) by key; `make(positions)` encodes those that aren't here yet, each key once."""
        known = self.read()
        new = {key: row for row, key in enumerate(keys) if key not in known}
        made = make(list(new.values()))
        known |= zip(new, made, strict=True)
        kept = made.any(axis=1)  # a picture that can't be decoded is tried again next time
        if kept.any():
            self.write([key for key, keep in zip(new, kept, strict=True) if keep], made[kept])
        return np.stack([known[key] for key in keys]) if keys else made


def item_text(row) -> str:
    """What the text tower reads of a product: its title, then colour and category where the title lacks their words.

    >>> item_text({"title": "Relaxed Linen Shirts", "colour": "navy", "category": "shirt"})
    'Relaxed Linen Shirts, navy'
    """
    parts = [row.get(column) for column in ("title", "colour", "category")]
    parts = [part if isinstance(part, str) and part != "unknown" else "" for part in parts]
    title, *extra = ({re.sub(r"(?<=ss)es$|(?<!s)s$", "", w) for w in re.findall(r"[a-z]+", p.lower())} for p in parts)
    added = " ".join(part for part, words in zip(parts[1:], extra, strict=True) if not words <= title)
    return ", ".join(part for part in (parts[0], added) if part)


def encode_catalog(catalog: pd.DataFrame, images_root: str | Path, encoder: ClipEncoder, cache=None):
    """Image and text vectors of each product, (n, d) and (n, d) float32, rows as in `catalog`.

    `image_path` is relative to `images_root`; without a picture, or with a broken one, a product's image row is zeros.
    `cache` is a folder; what was encoded before, by this very model from the same bytes or text, is read from there.
    """
    root, rows, keys = Path(images_root).resolve(), [], []
    named = [(row, root / path) for row, path in enumerate(catalog["image_path"]) if isinstance(path, str) and path]
    for row, path in named:
        if not path.resolve().is_relative_to(root):
            raise ValueError(f"image_path {path} leads out of {root}")
        if path.is_file():
            rows.append(row)
            keys.append(hashlib.sha256(b"image" + path.read_bytes()).digest())
    if len(rows) < len(named):
        absent = f"{len(named) - len(rows)} of {len(named)} pictures of the catalogue aren't in {root}"
        warnings.warn(absent, stacklevel=2)
    fetch = VectorCache(cache, encoder).fetch if cache else lambda keys, make: make(range(len(keys)))
    paths, texts = dict(named), [item_text(row) for row in catalog.to_dict("records")]
    image = np.zeros((len(catalog), encoder.dim), np.float32)
    image[rows] = fetch(keys, lambda new: encoder.encode_images([paths[rows[k]] for k in new]))
    keys = [hashlib.sha256(b"text" + text.encode()).digest() for text in texts]
    return image, fetch(keys, lambda new: encoder.encode_texts([texts[k] for k in new]))


def item_vectors(image: np.ndarray, text: np.ndarray) -> np.ndarray:
    """concat(image, text), (n, 2d) float32, each half of length 1; a missing half stays zero."""
    halves = [half / np.maximum(np.linalg.norm(half, axis=1, keepdims=True), 1e-12) for half in (image, text)]
    return np.concatenate(halves, axis=1).astype(np.float32)


def save_embeddings(folder: str | Path, image: np.ndarray, text: np.ndarray, encoder: ClipEncoder) -> None:
    """Write `embeddings.safetensors` and, beside it, `embeddings.json` with the encoder's name and hash."""
    with whole(Path(folder) / "embeddings.safetensors") as aside:
        save_file({"image": np.ascontiguousarray(image), "text": np.ascontiguousarray(text)}, aside)
    told = {"encoder": encoder.name, "hash": encoder.hash, "shape": list(image.shape)}
    write_json(told, Path(folder) / "embeddings.json")


def load_embeddings(folder: str | Path, encoder: ClipEncoder | None = None) -> tuple[np.ndarray, np.ndarray, dict]:
    """Image and text vectors (n, d) and what `embeddings.json` tells.

    Raises EncoderChanged if `encoder` is given and isn't the one that made them: two models' vectors don't compare.
    """
    told = json.loads((Path(folder) / "embeddings.json").read_text(encoding="utf-8"))
    if encoder is not None and told["hash"] != encoder.hash:
        raise EncoderChanged(
            f"{folder} holds vectors of {told['encoder']} {told['hash'][:8]}, not {encoder.name} {encoder.hash[:8]}: "
            "rerun from chapter 02, whose vectors all later chapters train on"
        )
    arrays = load_file(Path(folder) / "embeddings.safetensors")
    return arrays["image"], arrays["text"], told

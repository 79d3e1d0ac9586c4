"""Pictures and texts as vectors of one space, by any open_clip model."""

import io
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from tqdm import tqdm

from helpers.embeddings.negatives import on_light_ground
from helpers.embeddings.opening import DEFAULT, for_inference, located, model_hash, open_model

Forward = Callable[[list[np.ndarray]], np.ndarray]
PRECISIONS = ("float32", "bf16")
BATCH = 2
"""Images in one forward pass on a CPU. Larger ones ask for so much memory at once that the system
hands it out page by page, which takes a fifth of the time when two threads do it."""
BATCH_ON_GPU = 256
TEXTS_PER_BATCH = 256
MAX_PIXELS = 100_000_000
"""A larger picture is not decoded: it may be made to exhaust memory."""


class EncoderChanged(ValueError):
    """Stored vectors come from another model than the one in hand."""


class ClipEncoder:
    """An image and a text tower that share one space.

    Parameters
    ----------
    model : str
        `"fashion-lite"` (shipped with the course), a name of `open_clip.list_models()`, an
        `hf-hub:` id, or a local folder laid out like one of the hub: `open_clip_config.json`
        beside the weights.
    pretrained : str, optional
        Tag of the weights, or a file of them; only for names of `open_clip.list_models()`.
    device : str, optional
        By default `"cuda"` where there is one, else `"cpu"`.
    precision : str
        `"float32"` gives the same vectors on every CPU, to 1e-5. `"bf16"` is faster on a GPU or on
        a CPU with AMX, but its vectors differ from those in the third digit.

    Attributes
    ----------
    name : str
        What results are labelled with.
    hash : str
        SHA-256 of weights, preprocessing and precision. Equal hashes mean equal vectors up to
        rounding.
    dim : int
        Length d of a vector.

    Raises
    ------
    EncoderUnavailable
        If the model cannot be loaded here.
    ValueError
        For an unknown precision.
    """

    def __init__(
        self,
        model: str = DEFAULT,
        pretrained: str | None = None,
        device: str | None = None,
        precision: str = "float32",
    ):
        import torch

        if precision not in PRECISIONS:
            known = ", ".join(PRECISIONS)
            raise ValueError(f"precision {precision!r} is unknown; choose one of: {known}")
        if device is None:
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.device = device
        self.recipe = (model, pretrained, precision)
        model, pretrained, self.name = located(model, pretrained)
        loaded, self.preprocess, self.tokenizer = open_model(model, pretrained, self.name)
        *to_shape, _, self._scale = self.preprocess.transforms  # the last two go by the batch
        self._to_shape = type(self.preprocess)(to_shape)
        self.hash = model_hash(loaded, precision)
        self.model = for_inference(loaded).to(device)
        kind = torch.device(device).type
        self._rounding = partial(torch.autocast, kind, torch.bfloat16, enabled=precision == "bf16")
        self.dim = self.encode_texts([""]).shape[1]

    def encode_images(self, sources) -> np.ndarray:
        """Vectors (n, d) float32 of length 1; pictures are decoded while others are encoded.

        Parameters
        ----------
        sources : sequence of path, bytes or None
            None and what cannot be decoded get zeros. A warning counts the latter. Gray pictures
            on black ground are inverted (`helpers.embeddings.negatives`).
        """
        return self._encode(sources, self._projected, self.dim)

    def encode_pooled(self, sources) -> np.ndarray:
        """The picture tower's features before its projection, (n, f) float32.

        They are means over the picture. They keep what no word says: they tell products apart
        better than the projected vectors do, and can't be found by words. Zeros where there is no
        picture.

        Raises
        ------
        ValueError
            If this model's picture tower has no trunk of its own.
        """
        trunk = getattr(self.model.visual, "trunk", None)
        if trunk is None:
            raise ValueError(f"{self.name}: its picture tower has no features before a projection")
        return self._encode(sources, self._pooled, trunk.num_features)

    def _encode(self, sources, forward: Forward, dim: int) -> np.ndarray:
        """What `forward` makes of each picture, (n, dim) float32."""
        sources = list(sources)
        size = BATCH if self.device == "cpu" else BATCH_ON_GPU
        batches = [sources[start : start + size] for start in range(0, len(sources), size)]
        vectors = []
        broken = []
        with tqdm(total=len(sources), desc="images", disable=None) as progress:
            for encoded, missed in self._encode_side_by_side(batches, forward, dim):
                vectors.append(encoded)
                broken += missed
                progress.update(len(encoded))
        if broken:
            _warn_of(broken, len(sources))
        if not vectors:
            return np.zeros((0, dim), np.float32)
        return np.concatenate(vectors)

    def _encode_side_by_side(self, batches, forward: Forward, dim: int):
        """Results of `_encode_batch`, in order.

        On a CPU as many batches run at once as torch has threads, each on one thread, which then
        waits for no other.
        """
        import torch

        n_threads = torch.get_num_threads()
        if self.device == "cpu":
            torch.set_num_threads(1)
        try:
            with ThreadPoolExecutor(n_threads) as pool:
                yield from pool.map(partial(self._encode_batch, forward, dim), batches)
        finally:
            torch.set_num_threads(n_threads)

    def encode_texts(self, texts) -> np.ndarray:
        """Vectors (n, d) float32 of length 1; what exceeds the model's context is cut off."""
        import torch

        texts = [str(text) for text in texts]
        vectors = []
        with torch.inference_mode(), self._rounding():
            for start in range(0, len(texts), TEXTS_PER_BATCH):
                ids = self.tokenizer(texts[start : start + TEXTS_PER_BATCH]).to(self.device)
                vectors.append(encode_text(self.model, ids).cpu().numpy())
        if not vectors:
            return np.zeros((0, self.dim), np.float32)
        return np.concatenate(vectors)

    def _encode_batch(self, forward: Forward, dim: int, sources) -> tuple[np.ndarray, list]:
        """Vectors of one batch, zeros where there is no picture, and the sources that are
        broken."""
        pictures = [self._decode(source) for source in sources]
        vectors = np.zeros((len(sources), dim), np.float32)
        rows = []
        decoded = []
        broken = []
        for row, (source, picture) in enumerate(zip(sources, pictures, strict=True)):
            if picture is not None:
                rows.append(row)
                decoded.append(picture)
            elif source is not None:
                broken.append(source)
        if rows:
            vectors[rows] = forward(decoded)
        return vectors, broken

    def _decode(self, source) -> np.ndarray | None:
        """One picture at the model's size, (h, w, 3) uint8, or None if it is missing or broken."""
        from PIL import Image

        if source is None:
            return None
        if isinstance(source, bytes):
            source = io.BytesIO(source)
        try:
            with Image.open(source) as image:
                if image.width * image.height > MAX_PIXELS:
                    return None
                upright = on_light_ground(_upright_on_white(image))
                return np.asarray(self._to_shape(upright))
        except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
            return None  # all that Pillow raises

    def _projected(self, pictures: list[np.ndarray]) -> np.ndarray:
        """Vectors (n, d) of decoded pictures."""
        import torch

        with torch.inference_mode(), self._rounding():
            vectors = self.model.encode_image(self._scaled(pictures)).float()
        return torch.nn.functional.normalize(vectors, dim=-1).cpu().numpy()

    def _pooled(self, pictures: list[np.ndarray]) -> np.ndarray:
        """Features (n, f) of decoded pictures before the projection."""
        import torch

        with torch.inference_mode(), self._rounding():
            return self.model.visual.trunk(self._scaled(pictures)).float().cpu().numpy()

    def _scaled(self, pictures: list[np.ndarray]):
        """A batch as the tower reads it, (n, 3, h, w) with channels last."""
        import torch

        batch = torch.from_numpy(np.stack(pictures))
        if self.device != "cpu":
            batch = batch.pin_memory().to(self.device, non_blocking=True)
        lines = batch.flatten(2).float()  # (n, h, 3w): whole lines at once take half the time
        mean = lines.new_tensor(self._scale.mean).repeat(batch.shape[2])
        std = lines.new_tensor(self._scale.std).repeat(batch.shape[2])
        scaled = lines.div_(255).sub_(mean).div_(std).view(batch.shape)
        return scaled.permute(0, 3, 1, 2)


def _upright_on_white(image):
    """The picture as RGB, turned as its camera says; cut-out garments stand on white."""
    from PIL import Image, ImageOps

    ImageOps.exif_transpose(image, in_place=True)
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    if image.mode == "RGB":
        return image
    return image.convert("RGB")


def _warn_of(broken: list, n_sources: int) -> None:
    names = ["bytes" if isinstance(source, bytes) else str(source) for source in broken[:3]]
    message = (
        f"{len(broken)} of {n_sources} pictures can't be decoded and get no image vector, "
        f"first: {', '.join(names)}"
    )
    warnings.warn(message, stacklevel=3)


def encode_text(model, ids):
    """Vectors of length 1 as `model.encode_text` gives them, in half the time for short texts.

    Token ids (n, context) are cut to the longest text where causal attention makes that exact.
    """
    import torch
    from torch.nn.functional import normalize

    if not _reads_only_what_came_before(model):
        return normalize(model.encode_text(ids).float(), dim=-1)
    last = ids.argmax(dim=1)  # the end of text has the largest id
    n = int(last.max()) + 1
    x = model.token_embedding(ids[:, :n]) + model.positional_embedding[:n]
    x = model.transformer(x, attn_mask=model.attn_mask[:n, :n])
    x = model.ln_final(x)
    at_end = x[torch.arange(len(x)), last]
    return normalize((at_end @ model.text_projection).float(), dim=-1)


def _reads_only_what_came_before(model) -> bool:
    import torch

    projection = getattr(model, "text_projection", None)
    pools_at_end = getattr(model, "text_pool_type", "") == "argmax"
    return pools_at_end and model.attn_mask is not None and torch.is_tensor(projection)

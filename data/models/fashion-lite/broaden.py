"""fashion-lite's fourth stage: the projection and the text tower meet more than product photos.

    FASHION_DATA=../shared/data python data/models/fashion-lite/broaden.py --cache DIR

It starts from the weights that `train.py` wrote and never changes the trunk, so vectors made of the
trunk's features stay what they are. Each photo runs through the trunk as it is and as `changes.py`
changes it: tiny and gray, or as people take it. Projection and text tower learn to name the changed
ones among the kinds of their own collection, while plain photos and titles keep their vectors. The
new weights are then averaged with the earlier ones, so that titles find photos as well as before.
"""

import argparse
import copy
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path

import captions
import changes
import numpy as np
import open_clip
import pandas as pd
import torch
import torch.nn.functional as F
from captions import PHOTOS, Captions, allowed_photos
from PIL import Image, ImageOps
from towers import HERE, save
from tqdm import tqdm
from train import Average, contrast

from helpers.embeddings import ClipEncoder, encode_text
from helpers.embeddings.negatives import on_light_ground

ORDERS = PHOTOS.parent / "orders"
PRODUCT = 7
"""Digits of an article's id that name its product; the others name its color."""
BATCH = 128
CHANGED = 192
"""Changed photos in a batch, beside BATCH plain ones."""
EPOCHS = 4
RATE = 6e-4
HEAD_SHARE = 0.25
"""Of the learned projection, in the mean of its weights and the earlier ones."""
STEPS = 80
"""In which the text tower then settles on that projection."""
SETTLING_RATE = 4e-4
SETTLING_HOLD = 100.0
"""Weight of the term that keeps the titles' vectors, beside the kinds' 1."""
SETTLING_CHANGED = 384
TEXT_SHARE = 0.75
"""Of the settled text tower, in the mean of its weights and the earlier ones."""
N_KNOWN = 2
"""Collections of the earlier stages; they come first. Photos of others keep no vectors."""
LEAST_OF_A_KIND = 5
"""Photos that a kind needs to be asked about."""
WEIGHTS = {
    "title": 0.1,
    "caption": 0.1,
    "kind": 1.0,
    "photo": 15.0,
    "text": 30.0,
    "changed": 0.5,
}
"""Of the terms of the loss; the last three hold on to the vectors of the earlier stages."""
PROMPTS = (
    "{}",
    "{}",
    "a photo of a {}",
    "a photo of a {}",
    "a {}",
    "a photo of {}",
    "{} for men",
    "{} for women",
    "black {}",
    "grey {}",
    "white {}",
)
MORE_WORDS = {
    "Boots": "boots|boot|ankle boots|ankle boot",
    "Coat": "coat|coats|overcoat",
    "Sneakers": "sneakers|sneaker|trainers",
    "Sandals": "sandals|sandal",
    "Casual Shoes": "casual shoes|sneakers|sneaker|trainers",
    "Sports Shoes": "sports shoes|trainers|running shoes|sneakers|sneaker",
    "Sports Sandals": "sports sandals|sandals|sandal",
    "Flats": "flats|sandals|ballerinas",
    "Heels": "heels|heeled shoes|sandals",
    "Trousers": "trousers|trouser|pants|chinos",
    "Jeans": "jeans|denim|denim jeans|trousers|pants",
    "Handbags": "handbag|handbags|bag|bags",
    "Clutches": "clutch|clutches|bag",
    "Backpacks": "backpack|backpacks|rucksack|bag",
    "Messenger Bag": "messenger bag|bag",
    "Laptop Bag": "laptop bag|bag",
    "Duffel Bag": "duffel bag|bag",
}
"""Words of other shops for what Myntra calls by one name, and for kinds it hardly has."""
KINDS = {
    "T-shirt": "Tshirts",
    "Top": "Tops",
    "Blouse": "Tops",
    "Shirt": "Shirts",
    "Sweater": "Sweaters",
    "Cardigan": "Sweaters",
    "Hoodie": "Sweatshirts",
    "Dress": "Dresses",
    "Skirt": "Skirts",
    "Jacket": "Jackets",
    "Blazer": "Blazers",
    "Leggings/Tights": "Leggings",
    "Vest top": "Innerwear Vests",
    "Bag": "Handbags",
    "Heeled sandals": "Sandals",
    "Polo shirt": "Polo",
    "Jumpsuit/Playsuit": "Jumpsuit",
    "Scarf": "Scarves",
    "Hat/beanie": "Hat",
    "Hat/brim": "Hat",
    "Cap/peaked": "Caps",
    "Cap": "Caps",
    "Belt": "Belts",
    "Bodysuit": "Body",
    "Tie": "Ties",
    "Ballerinas": "Flats",
    "Pumps": "Heels",
    "Flip flop": "Flip Flops",
}
"""The fashion shop's words for what Myntra calls otherwise."""
GROUPS = {"Menswear": "Men", "Ladieswear": "Women", "Divided": "Women"}


def unbought_photos() -> pd.DataFrame:
    """Articles of the fashion shop whose product nobody bought, laid out like `allowed_photos`.

    The bought ones belong to the exam on that shop's orders.
    """
    articles = pd.read_csv(ORDERS / "fashion_articles.csv", dtype=str)
    orders = pd.read_csv(ORDERS / "fashion_orders.csv", dtype=str)
    bought = set(orders["article_id"].str[:PRODUCT])
    articles = articles[~articles["article_id"].str[:PRODUCT].isin(bought)]
    told = articles[["prod_name", "product_type_name", "colour_group_name"]].fillna("")
    kinds = articles["product_type_name"]
    columns = {
        "tar": str(ORDERS / "fashion_photos.tar"),
        "file": articles["article_id"] + ".jpg",
        "title": told.agg(" ".join, axis=1).str.strip(),
        "gender": articles["index_group_name"].map(GROUPS),
        "type": kinds.map(KINDS).fillna(kinds),
        "colour": articles["colour_group_name"],
        "use": None,
    }
    return pd.DataFrame(columns)


def all_photos() -> pd.DataFrame:
    """The photos of the earlier stages, and those of articles that nobody bought."""
    known = allowed_photos()
    known["tar"] = [str(PHOTOS / name) for name in known["tar"]]
    frame = pd.concat([known, unbought_photos()], ignore_index=True)
    return frame.astype(object).where(frame.notna(), None)


@dataclass(frozen=True)
class View:
    """One way to change photos.

    Attributes
    ----------
    name : str
    change : callable
        Takes a picture and a random generator, returns a picture.
    every : int
        Only every so-manieth photo is changed this way.
    only : str
        Part of the tar's name; other photos are left out.
    """

    name: str
    change: callable
    every: int = 1
    only: str = ""


def unchanged(photo: Image.Image, rng: np.random.Generator) -> Image.Image:
    return photo


def by_hand(photo: Image.Image, rng: np.random.Generator) -> Image.Image:
    return changes.by_hand(photo)


def tiny_with_rim(photo: Image.Image, rng: np.random.Generator) -> Image.Image:
    """`tiny` with some ground around it, of the size that the tower reads."""
    small = changes.tiny(photo, rng).convert("RGB")
    rim = rng.choice([0, 0.05, 0.1, 0.15, 0.2])
    margin = round(changes.SIZE * rim)
    size = (changes.SIZE, changes.SIZE)
    large = small.resize(size, Image.BICUBIC)
    return ImageOps.expand(large, margin, changes.WHITE)


class Reader:
    """Photos out of tars."""

    def __init__(self):
        self.tars = {}

    def __call__(self, tar: str, file: str) -> Image.Image:
        if tar not in self.tars:
            self.tars[tar] = tarfile.open(tar)
        data = self.tars[tar].extractfile(file).read()
        return Image.open(io.BytesIO(data)).convert("RGB")


def views_of() -> list[View]:
    """The plain view, and every change."""
    return [
        View("plain", unchanged, every=2),
        View("plain, by hand", unchanged, only="cc0"),
        View("tiny", tiny_with_rim, every=2),
        View("by hand", by_hand, only="cc0"),
    ]


@dataclass(frozen=True)
class Features:
    """The trunk's features of views.

    Attributes
    ----------
    values : (n_views, 1280) float32 tensor
    photo : (n_views,) int64
        Whose view it is.
    is_plain : (n_views,) bool
    """

    values: torch.Tensor
    photo: np.ndarray
    is_plain: np.ndarray


def features(photos: pd.DataFrame, encoder: ClipEncoder, cache: Path, seed: int) -> Features:
    """Features of all views; those in the folder `cache` are read there."""
    cache.mkdir(parents=True, exist_ok=True)
    values = []
    rows = []
    is_plain = []
    for view in views_of():
        chosen = np.flatnonzero(photos["tar"].str.contains(view.only).to_numpy(bool))
        chosen = chosen[:: view.every]
        path = cache / f"{view.name}.npy"
        if not path.exists():
            np.save(path, of_one_view(photos.loc[chosen], view, encoder, seed))
        values.append(torch.from_numpy(np.load(path)).float())
        rows.append(chosen)
        is_plain.append(np.full(len(chosen), view.change is unchanged))
    return Features(torch.cat(values), np.concatenate(rows), np.concatenate(is_plain))


def of_one_view(photos, view: View, encoder: ClipEncoder, seed: int) -> np.ndarray:
    """Features (n, 1280) float16 of changed photos."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    read = Reader()
    trunk = encoder.model.visual.trunk
    found = []
    for row in tqdm(photos.itertuples(), total=len(photos), desc=view.name, disable=None):
        picture = on_light_ground(view.change(read(row.tar, row.file), rng))
        pixels = np.asarray(encoder._to_shape(picture))
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            found.append(trunk(encoder._scaled([pixels])).half().numpy())
    return np.concatenate(found)


class Kinds:
    """The kinds of each collection, and which one a photo is of.

    Collections call one thing by several names, so a photo is asked about only those of its own.
    """

    def __init__(self, photos: pd.DataFrame, rng: np.random.Generator):
        self.rng = rng
        self.collection = pd.factorize(photos["tar"])[0]
        types = photos["type"].astype(str)
        self.label = np.full(len(photos), -1)
        self.names = []
        for which in range(self.collection.max() + 1):
            own = types[self.collection == which]
            counts = own.value_counts()
            names = sorted(counts.index[counts >= LEAST_OF_A_KIND])
            self.names.append(names)
            position = {name: place for place, name in enumerate(names)}
            self.label[own.index] = [position.get(name, -1) for name in own]
        pairs = self.collection.astype(str) + types.to_numpy()
        self.n_alike = pd.Series(pairs).map(pd.Series(pairs).value_counts()).to_numpy()

    def prompts(self, which: int) -> list[str]:
        """One prompt for each kind of a collection, in words drawn anew."""
        return [self._prompt(name) for name in self.names[which]]

    def _prompt(self, name: str) -> str:
        words = captions.say(self.rng, name, captions.SAY_TYPE)
        return self.rng.choice(PROMPTS).format(words)


class Broadening:
    """The fourth stage's networks, photos and loss."""

    def __init__(self, photos: pd.DataFrame, features: Features, start: str, seed: int):
        """`start` is a file of weights. Photos whose plain view is at hand are learned from."""
        self.rng = np.random.default_rng(seed)
        self.features = features
        self.rows = np.unique(features.photo[features.is_plain])
        open_clip.add_model_config(HERE / "fashion-lite.json")
        self.model = open_clip.create_model("fashion-lite", pretrained=start).eval()
        tokenizer = open_clip.get_tokenizer("fashion-lite")
        self.captions = Captions(photos, tokenizer, seed, range(len(photos)))
        taught = self.model.token_embedding.weight[self.captions.taught].detach()
        self.model.token_embedding = torch.nn.Embedding.from_pretrained(taught, freeze=False)
        self.before = copy.deepcopy(self.model).requires_grad_(False)
        self.kinds = Kinds(photos, self.rng)
        self.plain = torch.empty(len(photos), features.values.shape[1])
        self.plain[features.photo[features.is_plain]] = features.values[features.is_plain]
        with torch.no_grad():
            self.vectors = F.normalize(self.before.visual.head(self.plain), dim=-1)
        is_changed = ~features.is_plain & np.isin(features.photo, self.rows)
        self.changed = np.flatnonzero(is_changed)
        weight = self.kinds.n_alike[features.photo[self.changed]] ** -0.5
        self.chance = weight / weight.sum()

    def parts(self) -> list[dict]:
        """What learns: the projection, the scale, the text tower."""
        head = list(self.model.visual.head.parameters())
        return [
            {"params": head, "lr": RATE, "weight_decay": 0.05},
            {"params": [self.model.logit_scale], "lr": RATE, "weight_decay": 0.0},
            {"params": text_weights(self.model), "lr": RATE, "weight_decay": 0.01},
        ]

    def loss(self, rows: np.ndarray) -> torch.Tensor:
        """The weighted sum of all terms, on plain photos `rows` and as many changed ones."""
        views = self.rng.choice(self.changed, CHANGED, p=self.chance)
        vectors = torch.cat([self.plain[rows], self.features.values[views]])
        image = F.normalize(self.model.visual.head(vectors), dim=-1)
        plain, changed = image.split([len(rows), CHANGED])
        scale = self.model.logit_scale.exp().clamp(max=60)
        terms = self.of_plain(rows, plain, scale)
        photo = self.features.photo[views]
        terms["kind"] = self.of_kinds(photo, changed, scale)
        collection = self.kinds.collection[photo]
        is_first = torch.from_numpy(collection == 0)
        terms["changed"] = drift(changed, self.vectors[photo])[is_first].mean()
        return sum(WEIGHTS[name] * term for name, term in terms.items())

    def of_plain(self, rows, image, scale) -> dict[str, torch.Tensor]:
        """Terms of plain photos with their titles and captions."""
        (ids, title_tells), (more_ids, caption_tells) = self.captions.draw(rows.tolist())
        title = encode_text(self.model, ids)
        caption = encode_text(self.model, more_ids)
        with torch.no_grad():
            title_before = encode_text(self.before, ids)
        attributes = self.captions.attributes[rows]
        is_known = torch.from_numpy(self.kinds.collection[rows] < N_KNOWN)
        return {
            "title": contrast(image, title, scale, attributes, title_tells),
            "caption": contrast(image, caption, scale, attributes, caption_tells),
            "photo": drift(image, self.vectors[rows])[is_known].mean(),
            "text": drift(title, title_before).mean(),
        }

    def of_kinds(self, photo, image, scale) -> torch.Tensor:
        """Cross-entropy of changed photos among the kinds of their own collections."""
        total = image.new_zeros(())
        for which in range(len(self.kinds.names)):
            is_own = self.kinds.collection[photo] == which
            own = np.flatnonzero(is_own & (self.kinds.label[photo] >= 0))
            if not len(own):
                continue
            ids = self.captions.tokens(self.kinds.prompts(which))
            logits = scale * image[own] @ encode_text(self.model, ids).T
            right = torch.from_numpy(self.kinds.label[photo[own]])
            total = total + F.cross_entropy(logits, right, reduction="sum", label_smoothing=0.05)
        return total / len(photo)


def drift(vectors: torch.Tensor, before: torch.Tensor) -> torch.Tensor:
    """1 - cosine of unit vectors, row by row."""
    return 1 - (vectors * before).sum(dim=1)


def optimise(stage: Broadening, epochs: int, seed: int) -> None:
    """AdamW with one cosine cycle; ends at the moving average of the weights."""
    torch.manual_seed(seed)
    parts = stage.parts()
    optimiser = torch.optim.AdamW(parts, betas=(0.9, 0.98))
    per_epoch = len(stage.rows) // BATCH
    rates = [part["lr"] for part in parts]
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, rates, epochs * per_epoch, pct_start=0.1
    )
    weights = [weight for part in parts for weight in part["params"]]
    average = Average(weights)
    head = stage.model.visual.head.train()
    for epoch in range(epochs):
        order = stage.rng.permutation(stage.rows)[: per_epoch * BATCH]
        for rows in np.split(order, per_epoch):
            optimiser.zero_grad()
            loss = stage.loss(rows)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimiser.step()
            schedule.step()
            average.update()
        tqdm.write(f"stage 4 epoch {epoch} loss {loss.item():.3f}")
    head.eval()
    average.swap()


@torch.no_grad()
def mix(weights, earlier, share: float) -> None:
    """Turn each weight into (1 - share) times the earlier one plus share times itself."""
    for weight, old in zip(weights, earlier, strict=True):
        weight.lerp_(old, 1 - share)


def text_weights(model) -> list[torch.nn.Parameter]:
    """The text tower's weights."""
    names = ("visual.", "logit_scale")
    return [weight for name, weight in model.named_parameters() if not name.startswith(names)]


def settle(stage: Broadening, seed: int) -> None:
    """The text tower alone learns to name changed photos as the mixed projection sees them.

    Titles of all photos of the first collection keep their vectors.
    """
    rng = np.random.default_rng(seed)
    kinds = stage.kinds
    titled = np.flatnonzero(kinds.collection == 0)
    with torch.no_grad():
        vectors = F.normalize(stage.model.visual.head(stage.features.values), dim=-1)
    texts = text_weights(stage.model)
    optimiser = torch.optim.AdamW(texts, lr=SETTLING_RATE, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, SETTLING_RATE, STEPS, pct_start=0.1)
    average = Average(texts)
    scale = stage.model.logit_scale.exp().clamp(max=60).detach()
    for _ in range(STEPS):
        rows = rng.choice(titled, BATCH, replace=False)
        titles = [stage.captions.rows[row].title for row in rows]
        ids = stage.captions.tokens(titles, drop=0.02)
        with torch.no_grad():
            before = encode_text(stage.before, ids)
        moved = drift(encode_text(stage.model, ids), before).mean()
        chosen = rng.choice(stage.changed, SETTLING_CHANGED, p=stage.chance)
        photo = stage.features.photo[chosen]
        loss = SETTLING_HOLD * moved + stage.of_kinds(photo, vectors[chosen], scale)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(texts, 1.0)
        optimiser.step()
        schedule.step()
        average.update()
    average.swap()


def main() -> None:
    cli = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    cli.add_argument("--cache", type=Path, required=True, help="folder for the views' features")
    cli.add_argument("--epochs", type=int, default=EPOCHS)
    cli.add_argument("--seed", type=int, default=7)
    shipped = str(HERE / "model.safetensors")
    cli.add_argument("--start", default=shipped, help="weights that `train.py` wrote")
    cli.add_argument("--out", default=shipped)
    args = cli.parse_args()
    torch.set_num_threads(1)
    captions.SAY_TYPE.update(MORE_WORDS)
    photos = all_photos()
    found = features(photos, ClipEncoder(), args.cache, args.seed)
    stage = Broadening(photos, found, args.start, args.seed)
    optimise(stage, args.epochs, args.seed)
    now = stage.model
    before = stage.before
    mix(now.visual.head.parameters(), before.visual.head.parameters(), HEAD_SHARE)
    settle(stage, args.seed)
    mix(text_weights(now), text_weights(before), TEXT_SHARE)
    save(stage.model, stage.captions.place, args.out)


if __name__ == "__main__":
    main()

"""Which photos fashion-lite may learn from, and what is said of each: titles, and captions made from the columns."""

import os
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import torch

HERE = Path(__file__).resolve().parent
PHOTOS = Path(os.environ.get("FASHION_DATA", HERE.parents[3] / "shared" / "data")) / "photos"
UNKNOWN = 49405  # a token no title holds: its vector stands for every word the training texts don't teach

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
WORD_DROP = 0.05
BRAND_TOLD = 0.4  # share of the columns' captions that begin with the brand, a title's first word
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


def say(rng, words, table) -> str:
    return rng.choice(table.get(words, words).split("|")).lower()


def attribute_caption(row, rng) -> tuple[str, list[bool]]:
    """A caption from the columns, and which of (title, gender, type, colour, brand) it tells."""
    tells = [False, row.gender in SAY_GENDER and rng.random() < 0.4, rng.random() < 0.9, False, False]
    tells[3] = row.colour is not None and (not tells[2] or rng.random() < 0.75)
    if not tells[3]:
        tells[2] = True
    tells[4] = row.title is not None and rng.random() < BRAND_TOLD
    colour = say(rng, row.colour, SAY_COLOUR) if tells[3] else ""
    kind = say(rng, row.type, SAY_TYPE) if tells[2] else ""
    gender = say(rng, row.gender, SAY_GENDER) if tells[1] else ""
    orders = [f"{gender} {colour} {kind}", f"{kind} in {colour} {gender}" if colour else f"{kind} {gender}",
              f"a photo of a {colour} {kind} {gender}", f"{kind} {colour} {gender}",
              f"{colour} {kind}, {gender}"]  # fmt: skip
    words = f"{row.title.split()[0].lower() if tells[4] else ''} {rng.choice(orders)}"
    return re.sub(r"\s+", " ", words).strip(" ,"), tells


def title_caption(row, rng) -> str:
    """The title, sometimes without a word or two, sometimes with the columns' words after it as in a shop's text."""
    words = row.title.split()
    kept = [word for word in words if rng.random() > WORD_DROP] or words
    text = " ".join(kept if rng.random() < 0.5 else words)
    if rng.random() < 0.25:
        text += f", {say(rng, row.colour, SAY_COLOUR) if row.colour else ''} {say(rng, row.type, SAY_TYPE)}"
    return text


class Captions:
    """Draws the two captions of each photo in a batch, and says which photos each caption describes."""

    def __init__(self, photos, tokenizer, seed, learnt):
        """`learnt` are the places of the photos to learn from: their titles say which words are taught."""
        self.rows, self.tokenizer = list(photos.itertuples(index=False)), tokenizer
        self.rng = np.random.default_rng(seed)
        names = photos["title"].where(photos["title"].notna(), photos["file"])
        gender = photos["gender"].where(photos["gender"].isin(list(SAY_GENDER)))
        brand = photos["title"].str.split().str[0].str.lower()
        known = [names, gender, photos["type"], photos["colour"], brand]
        self.attributes = torch.tensor(np.stack([pd.factorize(column)[0] for column in known], axis=1))  # unknown: -1
        titles = [self.rows[i].title for i in learnt if self.rows[i].title]
        counts = Counter(token for title in titles for token in set(tokenizer.encode(title)))
        told = " ".join([*SAY_TYPE.values(), *SAY_COLOUR.values(), *SAY_GENDER.values(), "a photo of in , '"])
        columns = [str(v) for c in ("type", "colour", "use") for v in photos[c].unique()]
        always = set(tokenizer.encode(" ".join([told.replace("|", " "), *columns])))
        taught = {token for token, n in counts.items() if n >= 3} | always
        self.taught = torch.tensor(sorted({*taught, 0, UNKNOWN, 49406, 49407}))
        self.place = torch.full((49408,), int(torch.searchsorted(self.taught, UNKNOWN)))  # in the vectors being trained
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
        whole = [True, False, False, False, False]
        own = [(title_caption(row, self.rng), whole) if row.title else attribute_caption(row, self.rng) for row in rows]
        for captions in (own, described):
            yield self.tokens([text for text, _ in captions], drop=0.03), torch.tensor([tells for _, tells in captions])

    def scraps(self, batch) -> list[str]:
        """For each photo some words about it: its title, a caption, a part of the title, or parts of two titles."""
        out = []
        for i, j in zip(batch, self.rng.permutation(batch), strict=True):
            row, kind = self.rows[i], self.rng.integers(4)
            words = (row.title or attribute_caption(row, self.rng)[0]).split()
            if kind == 0:
                words = attribute_caption(row, self.rng)[0].split()
            if kind == 1:
                words = [word for word in words if self.rng.random() < 0.6] or words
            if kind == 2 and self.rows[j].title:
                words = [w for w in [*words, *self.rows[j].title.split()] if self.rng.random() < 0.5] or words
            out.append(" ".join(words))
        return out

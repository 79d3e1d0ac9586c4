"""Photos alone, for items that nobody has bought: the projection beside what is seen before it.

    FASHION_DATA=… python bench/looks.py [--fit]

Real customers of a fashion shop, five folds of items that are in no order of training; every one of
the fold's items is ranked. Content recommends by the mean vector of a customer's purchases. `--fit`
fits the axes of `helpers.embeddings.looks` anew and writes them; the shipped ones come from every
third photo of those that the encoder was trained on, none of which is of this shop.
"""

import argparse
import sys
import tarfile

import numpy as np
import pandas as pd
from real import FOLDS, interactions_of
from real_shops import fashion, folder

from helpers.embeddings import ClipEncoder, Looks
from helpers.embeddings.looks import fit_axes
from helpers.evaluation import evaluate
from helpers.interactions import ItemFeatures
from helpers.interactions.splits import cold_item
from helpers.recommenders import Content, Popularity, Random

N_AXES = 256
TRAINED_ON = "0123456"  # last digits of the photos' names
EVERY = 3


def photos(path, is_wanted) -> dict[str, bytes]:
    """Photos of a tar by name, in the names' order."""
    found = {}
    with tarfile.open(path) as archive:
        for member in archive:
            name = member.name.split("/")[-1].removesuffix(".jpg")
            file = archive.extractfile(member)
            if file is not None and is_wanted(name):
                found[name] = file.read()
    return dict(sorted(found.items()))


def is_trained_on(name: str) -> bool:
    """Whether a photo is among those that the axes come from."""
    return name[-1] in TRAINED_ON and int(name) % EVERY == 0


def fit() -> None:
    """Fit the axes and write them."""
    pictures = photos(folder() / "photos" / "myntra_photos.tar", is_trained_on)
    fit_axes(ClipEncoder().encode_pooled(list(pictures.values())), N_AXES)
    print(f"{N_AXES} axes of {len(pictures)} photos")


def scores(shop, image: np.ndarray) -> list[float]:
    """NDCG@10 of each fold, by photos alone."""
    items = ItemFeatures(np.hstack([image, np.zeros_like(image)]), shop.items.frame)
    return [one_fold(Content(), shop, items, fold) for fold in range(FOLDS)]


def one_fold(method, shop, items, fold: int) -> float:
    """NDCG@10 of a method on one fold's new items."""
    split = cold_item(interactions_of(shop), fold, FOLDS)
    model = method.fit(split.train, items)
    rows = evaluate({"method": model}, split, ks=(10,), metrics=("ndcg",)).per_user
    return float(rows.loc[rows["variant"] == "observed", "value"].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fit", action="store_true")
    if parser.parse_args().fit:
        fit()
        return
    shop = fashion()
    names = set(shop.index)
    pictures = photos(folder() / "orders" / "fashion_photos.tar", names.__contains__)
    if list(pictures) != sorted(names):
        sys.exit("some articles have no photo")
    position = {name: row for row, name in enumerate(pictures)}
    rows = [position[name] for name in shop.index]
    sources = list(pictures.values())
    table = {
        "Random": [one_fold(Random(), shop, shop.items, fold) for fold in range(FOLDS)],
        "Popularity": [one_fold(Popularity(), shop, shop.items, fold) for fold in range(FOLDS)],
        "projection": scores(shop, ClipEncoder().encode_images(sources)[rows]),
        "looks": scores(shop, Looks().encode_images(sources)[rows]),
    }
    found = pd.DataFrame(table, index=[f"fold {fold}" for fold in range(FOLDS)]).T
    found["mean"] = found.mean(axis=1)
    print(f"{len(names)} articles, NDCG@10 of new items by photo alone, real customers")
    print(found.to_string(float_format="{:.4f}".format))


if __name__ == "__main__":
    main()

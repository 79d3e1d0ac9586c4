"""Accounts and drafts of every real feed, and seeded pairs of source row and product, to be read by
eye.

    python bench/feeds.py [--pairs 50] [--seed 7] [FEED …]

Needs FASHION_DATA (retailers/*.csv). Without FEED, all of them.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from helpers.artefacts import MissingArtefact, real_data
from helpers.feeds import draft_spec, harmonise, load_spec, read_feed
from helpers.feeds.files import read_rows


def drafted_right(path: Path) -> bool:
    """Print what a draft that never saw the feed's YAML takes for title, price and images.

    It is right where it takes the column that the YAML takes first.
    """
    spec = load_spec(path.stem)
    drafted = yaml.safe_load(draft_spec(path))["fields"]
    header = set(read_rows(path, spec.reading).about.columns)
    verdicts = {}
    for field in ("title", "price", "images"):
        wanted = [None]
        for source in spec.fields.get(field, ()):
            if set(source.columns) & header:
                wanted = source.columns
                break
        verdicts[field] = _first(drafted.get(field)) in wanted
    shown = [
        f"{field}={_first(drafted.get(field))}{'' if right else ' WRONG'}"
        for field, right in verdicts.items()
    ]
    print(f"draft {path.stem:20}", *shown)
    return all(verdicts.values())


def _first(sources):
    """The first column of a drafted field."""
    return sources[0] if isinstance(sources, list) else sources


def pairs(path: Path, count: int, seed: int) -> None:
    """Source cells that a product was made of, and the harmonised product below them."""
    spec = load_spec(path.stem)
    feed = read_feed(path, spec)
    rows = read_rows(path, spec.reading).rows
    drawn = np.random.default_rng(seed).choice(
        len(feed.products), min(count, len(feed.products)), replace=False
    )
    for position in sorted(drawn):
        one = feed._replace(products=feed.products.iloc[[position]])
        product = harmonise([one]).catalog.iloc[0]
        source = rows[product["source_row"] - 1]
        print(f"--- {path.name} row {product['source_row']}")
        print("   from", {name: source[name][:140] for name in spec.columns if source.get(name)})
        money = f"{product['price']} {product['currency']} = {product['price_usd']} USD"
        print("   title ", product["title"], "|", product["brand"], "|", money)
        names = ("image_key", "category", "colour", "gender", "rating", "n_reviews")
        shown = [product[name] for name in names]
        images = product["image_urls"]
        print("   reads ", *shown, "|", len(images), "images", images[:1])


def main() -> None:
    """Accounts of all feeds, then the pairs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("feeds", nargs="*")
    parser.add_argument("--pairs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    paths = sorted(real_data("retailers").glob("*.csv"))
    paths = [path for path in paths if not options.feeds or path.stem in options.feeds]
    adds_up = 0
    for path in paths:
        start = time.perf_counter()
        feed = read_feed(path, path.stem)
        catalog, merged = harmonise([feed])
        read = feed.about.read
        rejected = len(feed.rejects)
        is_whole = read == len(catalog) + rejected + len(merged)
        sums = "adds up" if is_whole else "DOES NOT ADD UP"
        counts = f"read {read} = accepted {len(catalog)} + rejected {rejected} + merged {len(merged)}: {sums}"  # noqa: E501
        print(f"{path.stem:20} {counts}, {time.perf_counter() - start:.1f} s")
        adds_up += sums == "adds up"
    print(f"feeds that account for every row: {adds_up} of {len(paths)} (target: all)")
    right = sum([drafted_right(path) for path in paths])
    print(f"feeds drafted right without their YAML: {right} of {len(paths)} (target: 13 of 15)")
    for path in paths:
        pairs(path, options.pairs, options.seed)


if __name__ == "__main__":
    try:
        main()
    except MissingArtefact as missing:
        sys.exit(str(missing))

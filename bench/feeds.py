"""Print, for every real feed, seeded pairs of source row and product, to be read by eye; and each feed's account.

    python bench/feeds.py [--pairs 50] [--seed 7] [FEED …]

Needs FASHION_DATA (retailers/*.csv). Without FEED, all of them.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from helpers.artefacts import fashion_data
from helpers.catalog import draft_spec, harmonise, load_spec, read_feed
from helpers.catalog.files import read_rows


def pairs(path: Path, count: int, seed: int) -> None:
    """Source cells that a product was made of, and the harmonised product below them."""
    spec = load_spec(path.stem)
    products, _ = read_feed(path, spec)
    rows, _, _ = read_rows(path, spec.format, spec.encoding, spec.separator, spec.extra_cells)
    drawn = np.random.default_rng(seed).choice(len(products), min(count, len(products)), replace=False)
    used = list(dict.fromkeys(c for sources in spec.fields.values() for s in sources for c in s.columns))
    for position in sorted(drawn):
        product = harmonise(products.iloc[[position]])[0].iloc[0]
        source = rows[product["source_row"] - 1]
        print(f"--- {path.name} row {product['source_row']}")
        print("   from", {name: source[name][:140] for name in used if source.get(name)})
        money = f"{product['price']} {product['currency']} = {product['price_usd']} USD"
        print("   title ", product["title"], "|", product["brand"], "|", money)
        shown = [product[name] for name in ("image_key", "category", "colour", "gender", "rating", "n_reviews")]
        print("   reads ", *shown, "|", len(product["image_urls"]), "images", product["image_urls"][:1])


def main() -> None:
    """Accounts of all feeds, then the pairs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("feeds", nargs="*")
    parser.add_argument("--pairs", type=int, default=50)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    if fashion_data() is None:
        raise SystemExit("needs FASHION_DATA: the folder that holds retailers/*.csv")
    paths = sorted((fashion_data() / "retailers").glob("*.csv"))
    paths = [path for path in paths if not options.feeds or path.stem in options.feeds]
    for path in paths:
        start = time.perf_counter()
        products, rejects = read_feed(path, path.stem)
        catalog, merged = harmonise(products)
        read = products.attrs["read"]["read"]
        sums = "adds up" if read == len(catalog) + len(rejects) + len(merged) else "DOES NOT ADD UP"
        counts = f"read {read} = accepted {len(catalog)} + rejected {len(rejects)} + merged {len(merged)}: {sums}"
        print(f"{path.stem:20} {counts}, {time.perf_counter() - start:.1f} s")
    for path in paths:
        drafted = [line for line in draft_spec(path).splitlines() if line[2:].startswith(("title", "price", "images"))]
        print(f"draft {path.stem:20}", *drafted)
    for path in paths:
        pairs(path, options.pairs, options.seed)


if __name__ == "__main__":
    main()

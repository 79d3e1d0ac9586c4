"""A shop that nobody has seen before: garden tools and seeds, with German column names."""

from pathlib import Path

import numpy as np
import pandas as pd

KINDS = {
    "Gießkanne": ("verzinkt", "aus Kupfer", "für Balkon", "mit Brause"),
    "Spaten": ("geschmiedet", "für Kinder", "aus Edelstahl", "mit Eschenstiel"),
    "Tomatensamen": ("Ochsenherz", "Cherry rot", "gelbe Birne", "schwarze Krim"),
    "Rosenschere": ("Bypass", "Amboss", "für Linkshänder", "mit Lederetui"),
    "Blumenzwiebeln": ("Tulpe weiß", "Narzisse", "Krokus lila", "Hyazinthe"),
    "Vogelhaus": ("für Meisen", "aus Lärche", "mit Kupferdach", "zum Hängen"),
}
BRANDS = ("Gartenfreund", "Hof & Beet", "Grünling")


def products(n: int = 90) -> pd.DataFrame:
    """A feed with semicolons in mind: number, name, price with a comma, group and brand."""
    kinds = list(KINDS)
    rows = []
    for number in range(n):
        kind = kinds[number % len(kinds)]
        detail = KINDS[kind][number // len(kinds) % 4]
        rows.append(
            {
                "Artikelnummer": f"G-{1000 + number}",
                "Bezeichnung": f"{kind} {detail} {number // 24 + 1}",
                "Warengruppe": kind,
                "Marke": BRANDS[number % 3],
                "Preis in EUR": f"{5 + number % 40},9{number % 10}",
            }
        )
    return pd.DataFrame(rows)


def orders(n_customers: int = 260, n_products: int = 90, seed: int = 0) -> pd.DataFrame:
    """Each customer likes two kinds of things, and buys a dozen products over two years."""
    rng = np.random.default_rng(seed)
    kind_of = np.arange(n_products) % len(KINDS)
    start = pd.Timestamp("2022-03-01")
    rows = []
    for customer in range(n_customers):
        liked = rng.choice(len(KINDS), 2, replace=False)
        chance = np.where(np.isin(kind_of, liked), 6.0, 1.0)
        bought = rng.choice(n_products, 14, replace=False, p=chance / chance.sum())
        days = np.sort(rng.integers(0, 700, len(bought)))
        for product, day in zip(bought, days, strict=True):
            rows.append(
                {
                    "Bestellung": len(rows) + 1,
                    "Kd-Nr.": f"K{customer:04d}",
                    "Art-Nr.": f"G-{1000 + product}",
                    "Stück": rng.integers(1, 4),
                    "Bestelldatum": (start + pd.Timedelta(days=int(day))).strftime("%d.%m.%Y"),
                }
            )
    return pd.DataFrame(rows)


def write_shop(folder: Path, date: str = "") -> tuple[Path, Path]:
    """Write both files with semicolons, in an encoding of Western spreadsheets."""
    feed = folder / f"artikel{date}.csv"
    log = folder / f"bestellungen{date}.csv"
    products().to_csv(feed, sep=";", index=False, encoding="cp1252")
    orders().to_csv(log, sep=";", index=False, encoding="cp1252")
    return feed, log

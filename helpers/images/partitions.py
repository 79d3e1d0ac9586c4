"""A harvest in partitions, one per group of hosts, each on a worker of a cluster.

All partitions write pictures into one store, where each is named by the hash of its bytes. Each has
an index of its own beside the store's, saved every few seconds: a worker that dies costs seconds.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from helpers.engine import Engine
from helpers.images.harvest import Order, harvest
from helpers.images.statuses import ImageError
from helpers.images.store import ImageStore, digest, locked, tidy
from helpers.images.url_guard import host_of, parse_url


@dataclass(frozen=True)
class FetchPart:
    """Fetches one partition; travels to a worker."""

    store: ImageStore
    order: Order

    def __call__(self, part: pd.DataFrame) -> pd.DataFrame:
        """Take columns image_key, image_urls and part; return how many rows the index has."""
        name = part["part"].iloc[0]
        store = self.store.part(name)
        urls = [list(row) for row in part["image_urls"]]
        links = dict(zip(part["image_key"], urls, strict=True))
        with locked(store):
            index = harvest(links, store, self.order)
        return pd.DataFrame({"part": [name], "rows": [len(index)]})


def fetch_parts(
    links: dict[str, list[str]], store: ImageStore, order: Order, engine: Engine
) -> None:
    """Fetch all links, in partitions, and join their indexes into the store's.

    Products whose addresses share a host are in one partition, so that a host's pace and limits
    hold, and an address is asked for once.
    """
    groups = balanced(grouped_by_host(links), engine.n_workers)
    names = [digest(sorted(keys)) for keys in groups]
    known = store.index()
    parts = []
    for name, keys in zip(names, groups, strict=True):
        store.part(name).write_index(known[known["image_key"].isin(keys)])
        urls = [links[key] for key in keys]
        parts.append(pd.DataFrame({"image_key": keys, "image_urls": urls, "part": name}))
    decoders = order.workers or max(1, engine.n_workers // len(parts)) if parts else 1
    engine.map(FetchPart(store, replace(order, workers=decoders)), parts)
    collect_parts(store)


def collect_parts(store: ImageStore) -> None:
    """Join the indexes of partitions into the store's, and remove them."""
    names = store.parts()
    if not names:
        return
    rows = {row["image_key"]: row for row in store.index().to_dict("records")}
    for name in names:
        for row in store.part(name).index().to_dict("records"):
            rows[row["image_key"]] = row
    store.write_index(tidy(list(rows.values())))
    for name in names:
        store.part(name).remove_index()


def grouped_by_host(links: dict[str, list[str]]) -> list[list[str]]:
    """Products' keys in groups none of which shares a host with another, in the keys' order."""
    keys = list(links)
    product_of: list[int] = []
    host_at: list[int] = []
    numbers: dict[str, int] = {}
    for position, key in enumerate(keys):
        for host in _hosts(links[key]):
            product_of.append(position)
            host_at.append(numbers.setdefault(host, len(numbers)))
    n_nodes = len(keys) + len(numbers)
    products = np.asarray(product_of, dtype=int)
    hosts = np.asarray(host_at, dtype=int) + len(keys)
    ones = np.ones(len(hosts))
    edges = sp.coo_matrix((ones, (products, hosts)), shape=(n_nodes, n_nodes))
    _, labels = connected_components(edges, directed=False)
    groups: dict[int, list[str]] = {}
    for position, key in enumerate(keys):
        groups.setdefault(labels[position], []).append(key)
    return list(groups.values())


def _hosts(urls: Iterable[str]) -> set[str]:
    found = set()
    for url in urls:
        try:
            found.add(host_of(parse_url(url)))
        except ImageError:
            continue
    return found


def balanced(groups: list[list[str]], n_parts: int) -> list[list[str]]:
    """Groups joined into at most `n_parts` partitions, the largest group first into the smallest
    partition.
    """
    n_parts = max(1, min(n_parts, len(groups)))
    parts: list[list[str]] = [[] for _ in range(n_parts)]
    for group in sorted(groups, key=len, reverse=True):
        smallest = min(parts, key=len)
        smallest.extend(group)
    return [part for part in parts if part]

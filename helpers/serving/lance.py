"""An index in LanceDB: a table on disk or in a bucket, searched where it lies.

Vectors are not held in memory, so that an index may be larger than a machine's. Needs the extra
`lancedb`; `place` is a folder, a bucket's address, or with an account of theirs a remote database.
"""

import importlib.util
from pathlib import Path

import numpy as np
import pyarrow as pa

from helpers.serving.search import NOTHING, IndexSettings, as_rows

TABLE = "items"
NO_LANCE = (
    "an index in LanceDB needs the extra `lancedb`, which isn't installed. "
    "Run:  pip install -e '.[lancedb]'"
)
ROWS_AT_ONCE = 10_000
"""Rows of a batch that is copied."""
IDS_AT_ONCE = 10_000
"""Ids in one condition of a deletion."""


class LanceIndex:
    """Top `k` by inner product among items that come and go, in a LanceDB table.

    Parameters
    ----------
    items : (n_items, d) float32
    settings : IndexSettings, optional
    ids : (n_items,) int64, optional
        Names of the items, not negative; positions by default.
    place : path or str
        The database; a table that is there already is replaced.

    Raises
    ------
    RuntimeError
        If LanceDB isn't installed: says how to install it.
    """

    def __init__(
        self,
        items: np.ndarray,
        settings: IndexSettings | None = None,
        ids: np.ndarray | None = None,
        place: str | Path = "lance",
    ):
        settings = settings or IndexSettings()
        if ids is None:
            ids = np.arange(len(items))
        self.n_probes = settings.n_probes
        self._table = _database(place).create_table(TABLE, data=_rows(items, ids), mode="overwrite")
        if len(items) >= settings.exact_below:
            n_lists = settings.n_lists or round(2 * len(items) ** 0.5)
            self._table.create_index(
                metric="dot",
                vector_column_name="vector",
                num_partitions=n_lists,
                index_type="IVF_FLAT",
            )

    def __len__(self) -> int:
        return self._table.count_rows()

    @property
    def is_exact(self) -> bool:
        """Whether every item is compared with the query."""
        return not self._table.list_indices()

    def add(self, items: np.ndarray, ids: np.ndarray) -> None:
        """As `Index.add`."""
        ids = np.asarray(ids, dtype=np.int64)
        if ids.min(initial=0) < 0:
            raise ValueError(f"id {ids.min()} is negative; give each item an id of 0 or more")
        values, counts = np.unique(ids, return_counts=True)
        if len(values) < len(ids):
            raise ValueError(f"id {values[counts > 1][0]} is given twice; keep one of the items")
        self.remove(ids)
        if len(ids):
            self._table.add(_rows(items, ids))

    def remove(self, ids: np.ndarray) -> None:
        """As `Index.remove`."""
        ids = np.asarray(ids, dtype=np.int64)
        for start in range(0, len(ids), IDS_AT_ONCE):
            self._table.delete(_among(ids[start : start + IDS_AT_ONCE]))

    def search(
        self, queries: np.ndarray, k: int, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `Index.search`; a filter is applied before the search."""
        ids = np.full((len(queries), k), NOTHING, dtype=np.int64)
        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        if len(self) == 0 or (allowed is not None and not allowed.any()):
            return ids, scores
        condition = None if allowed is None else _condition(allowed)
        for row, query in enumerate(as_rows(queries)):
            found = self._best(query, k, condition)
            n_found = found.num_rows
            ids[row, :n_found] = found["id"].to_numpy()
            scores[row, :n_found] = 1 - found["_distance"].to_numpy()  # theirs is 1 - product
        return ids, scores

    def _best(self, query: np.ndarray, k: int, condition: str | None) -> pa.Table:
        asked = self._table.search(query, vector_column_name="vector", query_type="vector")
        asked = (
            asked.distance_type("dot").nprobes(self.n_probes).limit(k).select(["id", "_distance"])
        )
        if condition is not None:
            asked = asked.where(condition, prefilter=True)
        return asked.to_arrow()

    def save(self, path: str | Path) -> None:
        """Copy the table into the database at `path`, a batch at a time."""
        rows = self._table.search().select(["id", "vector"]).to_batches(ROWS_AT_ONCE)
        copied = pa.RecordBatchReader.from_batches(self._table.schema, rows)
        _database(path).create_table(TABLE, data=copied, mode="overwrite")

    @classmethod
    def open(cls, path: str | Path, n_probes: int = IndexSettings.n_probes) -> "LanceIndex":
        """The table of the database at `path`; nothing is read yet."""
        index = cls.__new__(cls)
        index._table = _database(path).open_table(TABLE)
        index.n_probes = n_probes
        return index


def _database(place: str | Path):
    if importlib.util.find_spec("lancedb") is None:
        raise RuntimeError(NO_LANCE)
    import lancedb

    return lancedb.connect(str(place))


def _rows(items: np.ndarray, ids: np.ndarray) -> pa.Table:
    rows = as_rows(items)
    d = rows.shape[1]
    values = pa.array(rows.ravel())
    vectors = pa.FixedSizeListArray.from_arrays(values, d)
    numbers = np.asarray(ids, dtype=np.int64)
    return pa.table({"id": pa.array(numbers), "vector": vectors})


def _among(ids: np.ndarray) -> str:
    names = ", ".join(str(number) for number in ids)
    return f"id IN ({names})"


def _condition(allowed: np.ndarray) -> str:
    """What the filter says, naming the fewer of the allowed and the others."""
    yes = np.flatnonzero(allowed)
    no = np.flatnonzero(~allowed)
    if len(yes) <= len(no):
        return _among(yes)
    if not len(no):
        return "true"
    return f"NOT ({_among(no)})"

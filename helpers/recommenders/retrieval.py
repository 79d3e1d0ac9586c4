"""The best k of many vectors by inner product: exactly, in blocks, or almost exactly, from an inverted file."""

from pathlib import Path

import faiss
import numpy as np
import torch

from helpers.artefacts import whole

GROUP = 32  # neighbouring items whose largest score stands for all of them
BLOCK = 2048  # items scored at once, for up to QUERIES shoppers: (BLOCK, QUERIES) stays in a processor's cache
QUERIES = 1024  # (n_items / GROUP, QUERIES) is the largest array
GATHERED = 1 << 17  # item vectors looked up at once


def exact_top_k(queries: np.ndarray, items: np.ndarray, k: int, allowed: np.ndarray | None = None, device="cpu"):
    """Exact top `k` by inner product, never holding all scores at once.

    One pass in blocks keeps only the largest score of each group of 32 items, in bfloat16 where that is fast. The
    groups with the largest are scored again in float32. What is found is certain once its k-th score exceeds what any
    other group can hold, rounding included; shoppers for whom it isn't are asked again with four times the groups.

    Parameters
    ----------
    queries, items : (n, d) and (n_items, d) float32
        `items` may be memory-mapped, or a tensor that lies on `device` already.
    allowed : (n_items,) bool, optional
        A filter, such as in stock, or below a price.
    device : str
        Where torch computes: `"cpu"`, `"cuda"`, …

    Returns
    -------
    ids (n, k) int64 and scores (n, k) float32; where fewer than `k` are allowed, id -1 and score -inf fill up.
    """
    items, queries = torch.as_tensor(items), torch.as_tensor(queries).to(device)
    keep = torch.arange(len(items)) if allowed is None else torch.from_numpy(np.flatnonzero(allowed))
    keep, n_items, k_found = keep.to(items.device), len(keep), min(k, len(keep))
    ids = torch.full((len(queries), k), -1, device=device)
    best = torch.full((len(queries), k), -torch.inf, device=device)
    for todo in torch.arange(len(queries), device=device).split(QUERIES) if n_items and len(queries) else ():
        first, n_groups = todo[0], 4 * k
        blocks = items.split(BLOCK) if allowed is None else (items[part] for part in keep.split(BLOCK))
        maxima, doubt = _group_maxima(queries[todo], blocks)
        while len(todo):
            n_groups, certain = min(n_groups, maxima.shape[1]), []
            for rows in todo.split(max(1, GATHERED // (n_groups * GROUP))):
                groups = maxima[rows - first].topk(n_groups, dim=1)
                places = (groups.indices[:, :, None] * GROUP + torch.arange(GROUP, device=device)).flatten(1)
                named = keep[places.clamp(max=n_items - 1).to(keep.device)]
                scores = torch.bmm(items[named].to(device), queries[rows, :, None])[:, :, 0]
                top = scores.masked_fill_(places >= n_items, -torch.inf).topk(k_found, dim=1)
                ids[rows, :k_found] = named.to(device).gather(1, top.indices)
                best[rows, :k_found] = top.values
                certain.append(best[rows, -1] >= groups.values[:, -1].float() + doubt[rows - first])
            todo = todo[~torch.cat(certain)] if n_groups < maxima.shape[1] else todo[:0]
            n_groups *= 4
    return ids.cpu().numpy(), best.cpu().numpy()


def _group_maxima(queries, blocks):
    """Largest score of each group of neighbours (n, n_groups), and how much more a group may really hold (n,).

    Rounding x to x' and q to q' moves a score by at most |x - x'| |q| + |x'| |q - q'| (Cauchy and Schwarz), storing it
    in as few bits by half a unit of its last place, and adding it up in float32 by d such units of float32.
    """
    capable = queries.is_cuda or torch.cpu.get_capabilities().get("avx512_bf16")
    precision = torch.bfloat16 if capable and len(queries) >= GROUP else torch.float32
    rounded, maxima, longest, moved = queries.to(precision), [], 0.0, 0.0
    for exact in (block.to(queries.device) for block in blocks):
        block = exact.to(precision)
        longest = max(longest, float(torch.linalg.vector_norm(exact, dim=1).max()))
        if precision != torch.float32:
            moved = max(moved, float(torch.linalg.vector_norm(exact - block, dim=1).max()))
        scores = torch.nn.functional.pad(block @ rounded.T, (0, 0, 0, -len(block) % GROUP), value=-torch.inf)
        maxima.append(scores.view(-1, GROUP, len(queries)).amax(1))
    length, own = (torch.linalg.vector_norm(rows, dim=1) for rows in (queries, queries - rounded))
    stored = torch.finfo(precision).eps / 2 + queries.shape[1] * torch.finfo(torch.float32).eps
    return torch.cat(maxima).T.contiguous(), moved * length + (longest + moved) * (own + stored * length)


class Index:
    """Approximate top k by inner product: faiss's inverted file with residuals in float16 (Jégou et al. 2011).

    Items lie in the list of the centroid that their inner product with is largest; a search looks into the lists of the
    nearest `n_probes` centroids. Ids are the caller's, such as positions in a catalogue.

    Parameters
    ----------
    items : (n_items, d) float32
        The centroids are learned from up to 32 a list of them. Their ids are 0 … n_items - 1.
    n_lists : by default 2 √n_items
    n_probes : lists looked into; more finds more and takes longer. Can be set at any time. The default finds 98 % of a
        hard million (see bench/retrieval.py)
    """

    def __init__(self, items: np.ndarray, n_lists: int | None = None, n_probes: int = 112):
        n_lists = n_lists or max(1, round(2 * len(items) ** 0.5))
        self._file = faiss.index_factory(items.shape[1], f"IVF{n_lists},SQfp16", faiss.METRIC_INNER_PRODUCT)
        self._file.cp.min_points_per_centroid = 1  # fewer are no reason for a warning
        self._file.cp.max_points_per_centroid = 32
        self._file.train(items)
        self._file.add(items)
        self.n_probes, self.changeable = n_probes, True

    def __len__(self) -> int:
        return self._file.ntotal

    def add(self, items: np.ndarray, ids: np.ndarray) -> None:
        """Put item vectors in under their ids; one that was there under such an id is replaced."""
        self.remove(ids)
        self._file.add_with_ids(items, np.asarray(ids, dtype=np.int64))

    def remove(self, ids: np.ndarray) -> None:
        """Take items out; ids that aren't there don't matter."""
        if not self.changeable:  # faiss itself may crash here
            raise RuntimeError("an index opened from disk can be searched, not changed: build it anew")
        self._file.remove_ids(np.asarray(ids, dtype=np.int64))

    def search(self, queries: np.ndarray, k: int, allowed: np.ndarray | None = None):
        """As `exact_top_k`; almost the same answer, sooner. `allowed` is by id.

        With a filter so many more lists are looked into that about as many allowed items are seen as without one:
        where few are allowed, all lists.
        """
        chosen, n_probes = {}, self.n_probes
        if allowed is not None:
            n_probes /= max(np.mean(allowed), 1e-9)
            bits = np.packbits(np.asarray(allowed, dtype=bool), bitorder="little")  # in the order that faiss reads them
            chosen = {"sel": faiss.IDSelectorBitmap(bits)}
        settings = faiss.SearchParametersIVF(nprobe=int(min(np.ceil(n_probes), self._file.nlist)), **chosen)
        self._file.parallel_mode = int(len(queries) == 1)  # threads share one query's lists, or else the queries
        scores, ids = self._file.search(queries, k, params=settings)
        return ids, np.where(ids < 0, -np.inf, scores)

    def save(self, path: str | Path) -> None:
        """Write the index as one file, whole."""
        with whole(path) as aside:
            faiss.write_index(self._file, str(aside))

    @classmethod
    def open(cls, path: str | Path, n_probes: int = 112) -> "Index":
        """Read what `save` wrote, its lists memory-mapped: only what is searched is read, and shared by processes.

        Such an index can be searched, not changed.
        """
        index = cls.__new__(cls)
        index._file = faiss.read_index(str(path), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
        index.n_probes, index.changeable = n_probes, False
        return index


def recall(found: np.ndarray, exact: np.ndarray) -> float:
    """Share of the exact ids (n, k) that were found; -1 counts for nothing."""
    hits = [len(set(row[row >= 0]) & set(truth[truth >= 0])) for row, truth in zip(found, exact, strict=True)]
    return float(sum(hits) / max((exact >= 0).sum(), 1))

"""The best k of many vectors by inner product: exactly, in blocks, or almost exactly, from an inverted file."""

from pathlib import Path

import faiss
import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import save_file
from torch.nn.functional import normalize, pad

from helpers.artefacts import whole

GROUP = 32  # neighbouring items whose largest score stands for all of them
BLOCK = 2048  # items scored at once, for up to QUERIES shoppers: (BLOCK, QUERIES) stays in a processor's cache
QUERIES = 1024  # (n_items / GROUP, QUERIES) is the largest array
GATHERED = 1 << 17  # item vectors looked up at once
ROUNDS = 8  # of k-means


def exact_top_k(
    queries: np.ndarray, items: np.ndarray, k: int, allowed: np.ndarray | None = None, device="cpu"
):
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
    keep = (
        torch.arange(len(items)) if allowed is None else torch.from_numpy(np.flatnonzero(allowed))
    )
    keep, n_items, k_found = keep.to(items.device), len(keep), min(k, len(keep))
    ids = torch.full((len(queries), k), -1, device=device)
    best = torch.full((len(queries), k), -torch.inf, device=device)
    for todo in (
        torch.arange(len(queries), device=device).split(QUERIES) if n_items and len(queries) else ()
    ):
        first, n_groups = todo[0], 4 * k
        blocks = (
            items.split(BLOCK) if allowed is None else (items[part] for part in keep.split(BLOCK))
        )
        maxima, doubt = _group_maxima(queries[todo], blocks)
        while len(todo):
            n_groups, certain = min(n_groups, maxima.shape[1]), []
            for rows in todo.split(max(1, GATHERED // (n_groups * GROUP))):
                groups = maxima[rows - first].topk(n_groups, dim=1)
                places = (
                    groups.indices[:, :, None] * GROUP + torch.arange(GROUP, device=device)
                ).flatten(1)
                named = keep[places.clamp(max=n_items - 1).to(keep.device)].to(device)
                named = named.masked_fill_(places >= n_items, -1)
                ids[rows, :k_found], best[rows, :k_found] = _best_of(
                    named, queries[rows], items, k_found
                )
                certain.append(best[rows, -1] >= groups.values[:, -1].float() + doubt[rows - first])
            todo = todo[~torch.cat(certain)] if n_groups < maxima.shape[1] else todo[:0]
            n_groups *= 4
    return ids.cpu().numpy(), best.cpu().numpy()


def _group_maxima(queries, blocks):
    """Largest score of each group of neighbours (n, n_groups), and how much more a group may really hold (n,).

    Rounding x to x' and q to q' moves a score by at most |x - x'| |q| + |x'| |q - q'| (Cauchy and Schwarz), storing it
    in as few bits by half a unit of its last place, and adding it up in float32 by d such units of float32.
    """
    precision = _precision(queries)
    rounded, maxima, longest, moved = queries.to(precision), [], 0.0, 0.0
    for exact in (block.to(queries.device) for block in blocks):
        block = exact.to(precision)
        longest = max(longest, float(torch.linalg.vector_norm(exact, dim=1).max()))
        if precision != torch.float32:
            moved = max(moved, float(torch.linalg.vector_norm(exact - block, dim=1).max()))
        scores = pad(block @ rounded.T, (0, 0, 0, -len(block) % GROUP), value=-torch.inf)
        maxima.append(scores.view(-1, GROUP, len(queries)).amax(1))
    length, own = (torch.linalg.vector_norm(rows, dim=1) for rows in (queries, queries - rounded))
    stored = torch.finfo(precision).eps / 2 + queries.shape[1] * torch.finfo(torch.float32).eps
    return torch.cat(maxima).T.contiguous(), moved * length + (longest + moved) * (
        own + stored * length
    )


def _precision(vectors):
    """The type in which many inner products with `vectors` are formed soonest."""
    capable = vectors.is_cuda or torch.cpu.get_capabilities().get("avx512_bf16")
    return torch.bfloat16 if capable and len(vectors) >= GROUP else torch.float32


def _best_of(named, queries, items, k):
    """Of the items `named` (n, m), -1 for none, those `k` with the largest inner products: ids and scores (n, k)."""
    vectors = items.index_select(0, named.clamp(min=0).flatten().to(items.device)).to(
        queries.device
    )
    vectors = vectors.view(*named.shape, -1)
    if len(queries) == 1:  # bmm would wake threads, which takes longer than the product
        scores = torch.linalg.vecdot(vectors, queries[:, None])
    else:
        scores = torch.bmm(vectors, queries[:, :, None])[:, :, 0]
    top = scores.masked_fill_(named < 0, -torch.inf).topk(k, dim=1)
    return named.gather(1, top.indices), top.values


def _nearest(vectors, centroids):
    """Place (n,) of the centroid that each vector's inner product with is largest; of two near ones, either."""
    precision = _precision(vectors)
    rounded = centroids.to(precision).T
    return torch.cat(
        [(part.to(precision) @ rounded).max(dim=1).indices for part in vectors.split(BLOCK)]
    )


def _centroids(sample, n_lists):
    """Unit centroids (n_lists, d) of spherical k-means (Dhillon and Modha 2001), begun from the first of `sample`."""
    centroids = normalize(sample[:n_lists])
    for _ in range(ROUNDS):
        sums = torch.zeros_like(centroids).index_add_(0, _nearest(sample, centroids), sample)
        centroids = normalize(sums + 1e-6 * centroids)  # one that nobody is near stays where it is
    return centroids


class Index:
    """Approximate top k by inner product: an inverted file of 4-bit codes finds candidates, their vectors order them.

    Items lie in the list of the centroid that their inner product with is largest; a search looks into the lists of the
    nearest `n_probes` centroids. There it reads codes of half a byte for two dimensions (product quantisation, Jégou et
    al. 2011; scanned in registers, André et al. 2015). A random rotation beforehand gives all dimensions the same
    share of the spread, without which the codes waste bits where there is little. The `n_rescored` best by code
    are scored again from the vectors themselves, so scores are exact.

    Parameters
    ----------
    items : (n_items, d) float32
        Copied. The centroids are learned from up to 32 a list of them. Their ids are 0 … n_items - 1.
    n_lists : by default 2 √n_items
    n_probes : lists looked into; more finds more and takes longer. Can be set at any time, as can `n_rescored`. The
        defaults find 98 % of a hard million (see bench/retrieval.py)
    """

    n_rescored = 200  # candidates scored again, at least four times what is asked for

    def __init__(self, items: np.ndarray, n_lists: int | None = None, n_probes: int = 128):
        self._vectors, self._there = (
            np.array(items, dtype=np.float32),
            np.ones(len(items), dtype=bool),
        )
        n_lists, self.n_probes = min(n_lists or round(2 * len(items) ** 0.5), len(items)), n_probes
        rng, d = (
            np.random.default_rng(0),
            items.shape[1] + items.shape[1] % 2,
        )  # a code is for two dimensions
        self._rotation = np.linalg.qr(rng.standard_normal((d, d)))[0][: items.shape[1]].astype(
            np.float32
        )
        sample = self._vectors[rng.permutation(len(items))[: 32 * n_lists]] @ self._rotation
        centroids, quantizer = _centroids(torch.from_numpy(sample), n_lists), faiss.IndexFlatIP(d)
        quantizer.add(centroids.numpy())
        file = faiss.IndexIVFPQ(quantizer, d, n_lists, d // 2, 4, faiss.METRIC_INNER_PRODUCT)
        file.pq.cp.min_points_per_centroid = 1  # fewer are no reason for a warning
        file.train(np.resize(sample, (max(16, min(len(sample), 8192)), d)))
        for ids in np.array_split(np.arange(len(items)), -(-len(items) // GATHERED)):
            rotated = self._vectors[ids] @ self._rotation
            lists = _nearest(
                torch.from_numpy(rotated), centroids
            ).numpy()  # where faiss would take most of its time
            file.add_core(len(ids), *map(faiss.swig_ptr, (rotated, ids, lists)))
        self._file = faiss.IndexIVFPQFastScan(file)
        self._file.implem = 13  # threads share queries, not one query's lists: they would wait longer than they read
        file.reset()  # its codes were copied

    def __len__(self) -> int:
        return self._file.ntotal

    def add(self, items: np.ndarray, ids: np.ndarray) -> None:
        """Put item vectors in under their ids; one that was there under such an id is replaced.

        Ids are positions, as in a catalogue: the largest says how much memory is taken. ValueError if one is negative.
        """
        ids = np.asarray(ids, dtype=np.int64)
        if ids.min(initial=0) < 0:
            raise ValueError(f"id {ids.min()} is no position")
        self.remove(ids)
        if (missing := ids.max(initial=-1) + 1 - len(self._there)) > 0:
            room = max(
                missing, len(self._there) // 4
            )  # more than asked, lest each newcomer move all
            self._vectors, self._there = (
                np.pad(self._vectors, ((0, room), (0, 0))),
                np.pad(self._there, (0, room)),
            )
        self._vectors[ids], self._there[ids] = items, True
        self._file.add_with_ids(items @ self._rotation, ids)

    def remove(self, ids: np.ndarray) -> None:
        """Take items out; ids that aren't there don't matter."""
        ids = np.asarray(ids, dtype=np.int64)
        self._there[ids[(ids >= 0) & (ids < len(self._there))]] = False
        self._file.remove_ids(ids)

    def search(self, queries: np.ndarray, k: int, allowed: np.ndarray | None = None):
        """As `exact_top_k`; almost the same answer, sooner. `allowed` is by id.

        With a filter so many more lists are looked into that about as many allowed items are seen as without one;
        where there are no more than that at all, they are searched exactly.
        """
        share, chosen, eligible = self.n_probes / self._file.nlist, {}, self._there
        if allowed is not None:
            eligible = allowed[: len(eligible)] & eligible[: len(allowed)]
            chosen = {
                "sel": faiss.IDSelectorBitmap(np.packbits(eligible, bitorder="little"))
            }  # the order faiss reads
        n_eligible = len(self) if allowed is None else eligible.sum()
        if n_eligible <= share * len(self):
            return exact_top_k(queries, self._vectors, k, eligible)
        share *= len(self) / n_eligible
        settings = faiss.SearchParametersIVF(
            nprobe=round(min(share, 1) * self._file.nlist), **chosen
        )
        _, found = self._file.search(
            queries @ self._rotation, max(self.n_rescored, 4 * k), params=settings
        )
        found, queries, items = map(torch.from_numpy, (found, queries, self._vectors))
        parts = zip(
            *(rows.split(max(1, GATHERED // found.shape[1])) for rows in (found, queries)),
            strict=True,
        )
        ids, scores = zip(*(_best_of(*part, items, k) for part in parts), strict=True)
        return torch.cat(ids).numpy(), torch.cat(scores).numpy()

    def save(self, path: str | Path) -> None:
        """Write the index as one safetensors file, whole."""
        learned = {"vectors": self._vectors, "there": self._there, "rotation": self._rotation}
        with whole(path) as aside:
            save_file({"file": faiss.serialize_index(self._file), **learned}, aside)

    @classmethod
    def open(cls, path: str | Path, n_probes: int = 128) -> "Index":
        """Read what `save` wrote, its vectors memory-mapped: only those rescored are read, and shared by processes.

        Changes stay in memory: the file remains as it is until `save`.
        """
        index = cls.__new__(cls)
        with safe_open(path, framework="pt") as arrays:  # torch maps what numpy would copy
            file, index._vectors, index._there, index._rotation = (
                arrays.get_tensor(name).numpy() for name in ("file", "vectors", "there", "rotation")
            )
        index._file, index.n_probes = faiss.deserialize_index(file), n_probes
        return index


def recall(found: np.ndarray, exact: np.ndarray) -> float:
    """Share of the exact ids (n, k) that were found; -1 counts for nothing."""
    hits = [
        len(set(row[row >= 0]) & set(truth[truth >= 0]))
        for row, truth in zip(found, exact, strict=True)
    ]
    return float(sum(hits) / max((exact >= 0).sum(), 1))

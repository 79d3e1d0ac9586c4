"""Towers trained by several workers, on the machines of a cluster.

Each worker holds the whole network and takes a share of every batch's shoppers. The items that any
of them needs as candidates are gathered, so that all shoppers are compared with the same ones. The
gradients are averaged (distributed data parallel, Li et al. 2020), so that all networks stay the
same. Without dropout, one worker would get the same network from the same batches.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn

from helpers.engine import ADDRESS, RayEngine
from helpers.interactions.matrix import Interactions, ItemFeatures

FILE = "towers"


@dataclass(frozen=True)
class Crew:
    """One of the workers that train together: number `rank` of `size`. By default, the only one."""

    rank: int = 0
    size: int = 1

    def mine(self, cells: Any) -> Any:
        """My share of a batch (`two_tower.Cells`): every `size`-th shopper, renumbered from 0."""
        if self.size == 1:
            return cells
        keep = (cells.row % self.size) == self.rank
        return replace(
            cells,
            n_shoppers=len(range(self.rank, cells.n_shoppers, self.size)),
            row=cells.row[keep] // self.size,
            item=cells.item[keep],
            rating=cells.rating[keep],
            in_history=cells.in_history[keep],
            asked=cells.asked[keep],
            wanted=cells.wanted[keep],
        )

    def weight(self, n_mine: int, n_all: int) -> float:
        """Factor of my loss. With it, the workers' mean is the mean over all shoppers."""
        return self.size * n_mine / max(n_all, 1)

    def gathered(self, items: torch.Tensor) -> torch.Tensor:
        """The items that any worker needs, each once, (m,) int64; `items` has each once, too."""
        if self.size == 1:
            return items
        of_all: list[Any] = [None] * self.size
        distributed.all_gather_object(of_all, items.cpu())
        return torch.cat(of_all).unique()

    def averaging(self, question: nn.Module) -> nn.Module:
        """The module that computes a loss, whose gradients are averaged over the workers."""
        if self.size == 1:
            return question
        from ray.train.torch import prepare_model

        return prepare_model(question, parallel_strategy_kwargs={"find_unused_parameters": True})

    def mean(self, loss: torch.Tensor) -> float:
        """The workers' mean of a loss that was multiplied by `weight`."""
        value = loss.detach().clone()
        if self.size > 1:
            distributed.all_reduce(value)
            value /= self.size
        return float(value)


class Question(nn.Module):
    """A network and its loss as one module, so that gradients can be averaged after it."""

    def __init__(self, net: nn.Module, ask: Callable[[nn.Module, torch.Tensor], torch.Tensor]):
        super().__init__()
        self.net = net
        self.ask = ask

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Loss of the shoppers at `rows`."""
        return self.ask(self.net, rows)


def fit_together(
    model: Any,
    train: Interactions,
    items: ItemFeatures,
    folder: str | Path,
    n_workers: int | None = None,
) -> Any:
    """Train a `TwoTower` with several workers of a Ray cluster (Ray Train).

    Parameters
    ----------
    model : TwoTower
        Not fitted; only its settings are used. With dropout, each worker draws its own.
    train, items
        As for `fit`.
    folder : path
        Where workers leave the result; all machines share it.
    n_workers : int, optional
        Each takes one CPU, or one GPU if that is the model's device; then give the number of
        GPUs. By default as many as there are CPUs.

    Returns
    -------
    TwoTower
        Fitted.

    Raises
    ------
    RuntimeError
        If Ray isn't installed. The message says how to install it.
    """
    n_cpus = RayEngine(os.environ.get(ADDRESS, "")).n_workers  # raises without Ray
    import ray
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    path = Path(folder).resolve()
    path.mkdir(parents=True, exist_ok=True)
    work = {"all": ray.put((model, train, items)), "path": str(path / FILE)}
    trainer = TorchTrainer(
        _train_as_one_of_many,
        train_loop_config=work,
        scaling_config=ScalingConfig(
            num_workers=n_workers or n_cpus, use_gpu=model.device != "cpu"
        ),
        run_config=RunConfig(storage_path=str(path / "runs")),
    )
    trainer.fit()
    return type(model).load(path / FILE)


def _train_as_one_of_many(work: dict[str, Any]) -> None:
    """What each worker does; the first one saves."""
    import ray
    from ray import train

    model, interactions, items = ray.get(work["all"])
    context = train.get_context()
    model.crew = Crew(context.get_world_rank(), context.get_world_size())
    model.fit(interactions, items)
    if model.crew.rank == 0:
        model.save(work["path"])

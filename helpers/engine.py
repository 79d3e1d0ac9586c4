"""Where partitions of a step are computed: in this process, or on a Ray cluster.

A step that can be cut into partitions hands them to `chosen().map`. The default engine computes
them one after another, here. The engine `ray` gives each partition to a worker of a cluster; a
partition whose worker dies is computed again. Both give the same results, in the same order.
"""

import importlib.util
import itertools
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
import psutil
import tenacity

ENGINES = ("local", "ray")
NAME = "COURSE_ENGINE"
"""Environment variable: the engine of this process and of the kernels that it starts."""
ADDRESS = "COURSE_RAY_ADDRESS"
"""Environment variable: the Ray cluster; empty starts one on this machine."""
NO_RAY = (
    "the engine 'ray' needs the extra `cluster`, which isn't installed. "
    "Run:  pip install -e '.[cluster]'"
)

PATIENT = {
    "agent_register_timeout_ms": 600_000,
    "gcs_rpc_server_connect_timeout_s": 60,
    "health_check_failure_threshold": 20,
    "health_check_initial_delay_ms": 60_000,
    "health_check_timeout_ms": 60_000,
    "worker_register_timeout_seconds": 600,
}
"""A Ray on one machine shares its cores with the work, so it may answer late and be well. That a
worker has died is seen at once all the same."""
RETRIES = 3
"""Times that a process with a GPU is started again, and its part computed again, after it died."""
STARTS = 5
"""Tries to start Ray on this machine: on a busy one, its first half minute may be too short."""

Partition = Callable[[pd.DataFrame], pd.DataFrame]


class Engine(Protocol):
    """Computes partitions."""

    @property
    def n_workers(self) -> int:
        """Partitions that are computed at once."""

    def map(
        self, function: Partition, parts: Sequence[pd.DataFrame], gpus: float = 0.0
    ) -> list[pd.DataFrame]:
        """`function` of each part, in the order of the parts.

        Parameters
        ----------
        function : callable
            From a table to a table. It is sent to workers, so all that it needs travels with it.
        parts : sequence of DataFrame
        gpus : float
            GPUs that one partition takes, where the cluster has any.
        """


class LocalEngine:
    """Partitions one after another, in this process."""

    n_workers = 1

    def map(
        self, function: Partition, parts: Sequence[pd.DataFrame], gpus: float = 0.0
    ) -> list[pd.DataFrame]:
        """See `Engine.map`; `gpus` has no meaning here."""
        return [function(part) for part in parts]


@dataclass(frozen=True)
class RayEngine:
    """Partitions on a Ray cluster, by Ray Data.

    Ray Data hands out no more partitions than there are workers (back-pressure), computes one whose
    worker died again, and keeps the order. Partitions that want GPUs, on a cluster that has some,
    go to actors, for which all of that holds, too.

    Parameters
    ----------
    address : str
        Of a running cluster, for example "auto" or "ray://host:10001". Empty starts one on this
        machine.

    Raises
    ------
    RuntimeError
        If Ray isn't installed: says how to install it.
    """

    address: str = ""

    def __post_init__(self) -> None:
        if importlib.util.find_spec("ray") is None:
            raise RuntimeError(NO_RAY)

    @property
    def n_workers(self) -> int:
        """CPUs of the cluster."""
        return max(1, int(self._ray().cluster_resources().get("CPU", 1)))

    def map(
        self, function: Partition, parts: Sequence[pd.DataFrame], gpus: float = 0.0
    ) -> list[pd.DataFrame]:
        """See `Engine.map`. An error that the function raises is raised here."""
        if not parts:
            return []
        ray = self._ray()
        n_gpus = ray.cluster_resources().get("GPU", 0)
        if gpus and n_gpus >= gpus:
            return _by_actors(function, parts, gpus, int(n_gpus // gpus))
        numbered = [part.assign(_part=number) for number, part in enumerate(parts)]
        data = ray.data.from_pandas(numbered)
        mapped = data.map_batches(
            _KeepingNumber(function), batch_size=None, batch_format="pandas", num_cpus=1
        )
        found: dict[int, list[pd.DataFrame]] = {number: [] for number in range(len(parts))}
        for block in mapped.iter_batches(batch_size=None, batch_format="pandas"):
            for number, rows in block.groupby("_part", sort=False):
                found[number].append(rows.drop(columns="_part"))
        return [_joined(blocks) for blocks in found.values()]

    def _ray(self):
        """Ray, connected to the cluster."""
        import ray
        import ray.data

        if not ray.is_initialized():
            if self.address:
                ray.init(self.address, log_to_driver=False, logging_level="ERROR")
            else:
                start_ray_here()
        logging.getLogger("ray.data").setLevel(logging.ERROR)  # it tells of every plan
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.execution_options.preserve_order = True
        return ray


class _Holder:
    """A process that holds a GPU, and what the function once loaded, for many partitions."""

    def __init__(self, function: Partition):
        self.function = function

    def answer(self, part: pd.DataFrame) -> pd.DataFrame:
        """The function of one partition."""
        return self.function(part)


def _by_actors(
    function: Partition, parts: Sequence[pd.DataFrame], gpus: float, most: int
) -> list[pd.DataFrame]:
    """`function` of each part, in order, by at most `most` processes; one that dies is started
    again, and so is its part.
    """
    import ray
    from ray.util import ActorPool

    holder: Any = ray.remote(
        num_cpus=1, num_gpus=gpus, max_restarts=RETRIES, max_task_retries=RETRIES
    )(_Holder)
    pool: Any = ActorPool([holder.remote(function) for _ in range(min(most, len(parts)))])
    return list(pool.map(lambda actor, part: actor.answer.remote(part), parts))


def start_ray_here(n_workers: int | None = None, n_gpus: int | None = None) -> None:
    """Start a Ray on this machine, which ends with this process.

    Parameters
    ----------
    n_workers : int, optional
        As many as cores unless told.
    n_gpus : int, optional
        As many as Ray finds unless told.
    """
    import ray

    def end(state: tenacity.RetryCallState) -> None:
        ray.shutdown()
        end_children_of(Path(ray.__file__).parent)

    starting = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(STARTS), before_sleep=end, reraise=True
    )
    starting(
        ray.init,
        "local",  # also where a variable names a cluster
        num_cpus=n_workers,
        num_gpus=n_gpus,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        _node_ip_address="127.0.0.1",
        _system_config=dict(PATIENT),
    )


def end_children_of(folder: Path) -> None:
    """End processes that this one started from programs in `folder`: Ray leaves those of a failed
    start behind.
    """
    for child in psutil.Process().children():
        try:
            if any(str(folder) in part for part in child.cmdline()):
                child.kill()
        except psutil.NoSuchProcess:
            continue


@dataclass(frozen=True)
class _KeepingNumber:
    """A partition's function whose result tells which partition it is of."""

    function: Partition

    def __call__(self, part: pd.DataFrame) -> pd.DataFrame:
        if part.empty:
            return part
        number = part["_part"].iloc[0]
        rows = part.drop(columns="_part").reset_index(drop=True)
        return self.function(rows).assign(_part=number)


def _joined(blocks: list[pd.DataFrame]) -> pd.DataFrame:
    if not blocks:
        return pd.DataFrame()
    return pd.concat(blocks, ignore_index=True)


def chosen() -> Engine:
    """The engine that `course run --engine` chose for this process.

    Raises
    ------
    ValueError
        If the environment names no engine that there is.
    RuntimeError
        If Ray is asked for and isn't installed.
    """
    name = os.environ.get(NAME, "") or "local"
    if name == "local":
        return LocalEngine()
    if name == "ray":
        return RayEngine(os.environ.get(ADDRESS, ""))
    raise ValueError(f"{NAME}={name}: there is no such engine; there are {', '.join(ENGINES)}")


def choose(name: str, address: str = "") -> None:
    """Let this process and the kernels that it starts use an engine.

    Raises
    ------
    RuntimeError
        If Ray is asked for and isn't installed: before anything starts.
    """
    os.environ[NAME] = name
    os.environ[ADDRESS] = address
    chosen()


def cut(table: pd.DataFrame, n_parts: int) -> list[pd.DataFrame]:
    """A table in `n_parts` runs of rows of nearly equal length; no run is empty."""
    n_parts = max(1, min(n_parts, len(table)))
    borders = [round(number * len(table) / n_parts) for number in range(n_parts + 1)]
    return [
        table.iloc[start:end].reset_index(drop=True) for start, end in itertools.pairwise(borders)
    ]

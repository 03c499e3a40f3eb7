"""Preparing raw files as shards, against reading and decoding the same files alone.

Both are done by the same worker processes in turns, and each keeps its fastest turn.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path

from data_prep.datasets.registry import open_source
from data_prep.shards.output import Output
from data_prep.shards.prepare import plan
from data_prep.shards.task import ShardTask, write_shard

ROUNDS = 5
SHARDS_PER_PROCESS = 2


@dataclasses.dataclass(frozen=True)
class Report:
    """What was measured.

    Attributes:
      title: what was prepared, by how many processes.
      tiles: how many, in each turn.
      reading: seconds of reading and decoding alone, by turn.
      preparing: seconds of the whole, by turn.
    """

    title: str
    tiles: int
    reading: tuple[float, ...]
    preparing: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Share of the throughput of reading alone that preparing reaches."""
        return min(self.reading) / min(self.preparing)

    def __str__(self) -> str:
        lines = [
            f"{name:<20} {self.tiles / min(seconds):8.1f} tiles/s   ({1e3 * min(seconds) / self.tiles:.2f} ms a tile; "
            f"slowest turn {1e3 * max(seconds) / self.tiles:.2f} ms)"
            for name, seconds in (("reading alone", self.reading), ("preparing", self.preparing))
        ]
        return "\n".join([self.title, *lines, f"preparing reaches    {self.ratio:8.2f} of the throughput of reading"])


def measure(dataset: str, raw_dir: Path, raw_options: str, beside: Path, processes: int) -> Report:
    """Returns how long worker processes take to prepare all tiles, and to read them.

    Args:
      dataset: name in data_prep.
      raw_dir: published files; the machine's file cache holds them after the first turn if it can.
      raw_options: options with which data_prep chooses the splits.
      beside: folder in which shards are written, and deleted again; it is made where it is not there.
      processes: number of worker processes.

    Raises:
      DataPrepError: the dataset or its files are not there, or a tile cannot be read.
    """
    source = open_source("--dataset", dataset, raw_dir, raw_options)
    splits = source.list_tiles(raw_dir)
    beside.mkdir(parents=True, exist_ok=True)
    turns: list[tuple[float, float]] = []
    with (
        tempfile.TemporaryDirectory(dir=beside) as folder,
        concurrent.futures.ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as workers,
    ):
        output = Output(Path(folder) / "shards")
        output.begin({})
        tasks = plan(source, splits, raw_dir, output, SHARDS_PER_PROCESS * processes, 0, True)
        for _ in range(ROUNDS + 1):
            turns.append((_seconds(workers, _read_tiles, tasks), _seconds(workers, _write_shard, tasks)))
    reading, preparing = zip(*turns[1:], strict=True)  # the first turn starts the workers and fills caches
    title = f"{dataset} in {raw_dir}, {processes} {'process' if processes == 1 else 'processes'}"
    return Report(title, sum(len(task.tiles) for task in tasks), reading, preparing)


def _seconds(workers: Executor, work: Callable[[ShardTask], None], tasks: Sequence[ShardTask]) -> float:
    start = time.perf_counter()
    for _ in workers.map(work, tasks):
        pass
    return time.perf_counter() - start


def _read_tiles(task: ShardTask) -> None:
    for tile in task.tiles:
        task.source.read_tile(task.raw_dir, tile)


def _write_shard(task: ShardTask) -> None:
    write_shard(task, lambda: None)

"""Preparing raw files as shards, against reading and decoding the same files alone.

Both are done by the same worker processes in turns, and each keeps its fastest turn.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING

from mmae_jax.bench.sources import published_source
from mmae_jax.spec import SpecError

if TYPE_CHECKING:
    from data_prep.shards.task import ShardTask

ROUNDS = 5
SHARDS_PER_PROCESS = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the bench's arguments to its parser."""
    parser.add_argument("--dataset", required=True, metavar="NAME", help="as data_prep names it, e.g. pastis_hd")
    parser.add_argument("--raw_dir", type=Path, required=True, help="published files")
    parser.add_argument("--raw_options", default="", help="options with which data_prep chooses the splits")
    parser.add_argument("--out_dir", type=Path, help="where to write and delete shards (default: beside --raw_dir)")
    parser.add_argument("--processes", type=int, default=1, help="local worker processes (default: 1)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    if options.processes < 1:
        raise SpecError(f"--processes: expected a positive number, found {options.processes}")
    beside = options.out_dir or options.raw_dir.parent
    print(measure(options.dataset, options.raw_dir, options.raw_options, beside, options.processes))


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
      beside: folder in which shards are written, and deleted again.
      processes: how many.

    Raises:
      SpecError: the dataset or its files are not there, or a tile cannot be read.
    """
    from data_prep.shards.output import Output
    from data_prep.shards.prepare import plan

    source = published_source(dataset, raw_dir, raw_options)
    splits = source.list_tiles(raw_dir)
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
    from data_prep.shards.task import write_shard

    write_shard(task, lambda: None)

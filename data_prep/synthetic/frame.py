"""What the writers of made-up raw data have in common: a folder that appears whole, progress, and tables of splits."""

from __future__ import annotations

import concurrent.futures
import contextlib
import csv
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from data_prep.errors import DataPrepError
from data_prep.shards.output import refuse_existing

T = TypeVar("T")
TILES_OF_A_PROCESS = 100
"""Fewer are written in less time than a process takes to start."""


@contextlib.contextmanager
def new_folder(out_dir: Path, tiles: int, fewest: int = 3, part: str = "split") -> Iterator[Path]:
    """Yields the folder to write raw files to, `<out_dir>.partial`, which becomes `out_dir` when the block ends.

    Where the block raises, the partial folder stays until the next call deletes it.

    Args:
      out_dir: folder that does not exist yet.
      tiles: number of tiles to write.
      fewest: least number of tiles, one in each part.
      part: what the tiles are divided into, for messages.

    Raises:
      DataPrepError: `out_dir` exists, or there are too few tiles.
    """
    if tiles < fewest:
        raise DataPrepError(f"--tiles: expected at least {fewest}, one for each {part}, found {tiles}")
    refuse_existing(out_dir)
    folder = out_dir.with_name(out_dir.name + ".partial")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    yield folder
    folder.rename(out_dir)


def progress(tiles: Iterable[T]) -> Iterable[T]:
    """Returns `tiles`, of which each step is shown on the terminal."""
    return tqdm(tiles, unit="tile")


def each(write: Callable[[int], T], tiles: int) -> list[T]:
    """Returns what `write` returns of each tile; many tiles are written by a process on each core.

    Args:
      write: writes the tile of a number, which depends on no other; a function of a module or a `functools.partial`.
      tiles: number of tiles.

    Raises:
      DataPrepError: a process ended, for want of memory perhaps.
    """
    processes = min(os.cpu_count() or 1, tiles // TILES_OF_A_PROCESS)
    if processes < 2:
        return [write(tile) for tile in progress(range(tiles))]
    context = multiprocessing.get_context("spawn")  # forking a process with threads can deadlock
    with concurrent.futures.ProcessPoolExecutor(processes, context, _ignore_interrupts) as executor:
        try:
            written = executor.map(write, range(tiles), chunksize=8)
            return list(tqdm(written, total=tiles, unit="tile"))
        except BrokenProcessPool as error:
            raise DataPrepError("a process ended while it made tiles up; the same command begins anew") from error


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the process that waits ends these


def split(tiles: Sequence[T], held_out: int | None = None) -> dict[str, Sequence[T]]:
    """Returns the tiles of train, val and test, in this order.

    Args:
      tiles: number of tiles, at least 3.
      held_out: number of tiles in val, and in test: at least 1 each; by default a sixth of all.
    """
    held_out = max(1, round(len(tiles) / 6) if held_out is None else held_out)
    return {"train": tiles[: -2 * held_out], "val": tiles[-2 * held_out : -held_out], "test": tiles[-held_out:]}


def write_csv(path: Path, header: Sequence[str], lines: Iterable[Sequence[Any]]) -> None:
    """Writes a table with the same bytes on every system."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *lines])


def write_names(folder: Path, header: str, splits: Mapping[str, Sequence[str]]) -> None:
    """Writes the names of the tiles of each split to `<split>.csv`, in one column."""
    for name, members in splits.items():
        write_csv(folder / f"{name}.csv", [header], [[member] for member in members])

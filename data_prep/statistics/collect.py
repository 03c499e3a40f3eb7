"""Streams over the shards once, in chunks of tiles that local processes share."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from data_prep.errors import DataPrepError
from data_prep.statistics.bins import LOOKED_AT, adapted_bins, fixed_bins
from data_prep.statistics.moments import Bins
from data_prep.statistics.sums import TileSums, present_values
from mmae_jax.contract import read_contract
from mmae_jax.data.records import Record, Records, ShardFile
from mmae_jax.data.shards import shard_files
from mmae_jax.spec import Dataset

CHUNK = 16
"""Tiles summed by one process at a time. Chunks are added up in order, so that results do not depend on processes."""


@dataclasses.dataclass(frozen=True)
class Collected:
    """Sums over shards.

    Attributes:
      dataset: the sensor contract of the shards.
      splits: split → tiles.
      bins: modality → bins of its histograms.
      sums: over all tiles.
    """

    dataset: Dataset
    splits: Mapping[str, int]
    bins: Mapping[str, Bins]
    sums: TileSums


@dataclasses.dataclass(frozen=True)
class _Tiles:
    """The stored tiles of some splits. Picklable."""

    directory: str
    files: tuple[ShardFile, ...]
    dataset: Dataset
    modalities: tuple[str, ...]

    def __len__(self) -> int:
        return sum(file.take for file in self.files) // self.dataset.blocks**2

    def read(self, tiles: Sequence[int]) -> Iterator[list[Record]]:
        """Yields the records of the blocks of each tile."""
        fields: dict[str, Any] = {"name": True}
        for name in self.modalities:
            modality = self.dataset.modalities[name]
            fields[name] = {"pixels": True, "dates": True}
            fields[name] |= {"base": True} if modality.quantum is not None else {}
            fields[name] |= {"mask": True} if modality.mask_channels else {}
        fields |= {target.field: True for target in self.dataset.targets.values()}
        records = Records(self.directory, self.files, self.dataset, fields)
        per_tile = self.dataset.blocks**2
        for tile in tiles:
            yield [records[tile * per_tile + block] for block in range(per_tile)]


def collect(
    directory: Path,
    splits: Sequence[str] | None = None,
    modalities: Sequence[str] | None = None,
    processes: int = 1,
) -> Collected:
    """Returns the sums over a folder of shards.

    Args:
      directory: the folder.
      splits: splits to read together; all by default.
      modalities: modalities to read; all by default.
      processes: local worker processes; 1 works in the calling process.

    Raises:
      SpecError: the folder has no contract, split or modality of that name, or a record is damaged.
    """
    if not directory.is_dir():
        raise DataPrepError(f"{directory}: is not a folder")
    dataset, files = read_contract(directory), shard_files(directory)
    splits = _known("--split", splits, tuple(name for name, found in files.items() if sum(f.take for f in found)))
    modalities = _known("--modality", modalities, tuple(dataset.modalities))
    counts = {name: sum(file.take for file in files[name]) // dataset.blocks**2 for name in splits}
    tiles = _Tiles(str(directory), tuple(file for name in splits for file in files[name]), dataset, tuple(modalities))
    if not len(tiles):
        raise DataPrepError(f"{directory}: expected at least one tile, found none")
    bins = _bins(tiles)
    chunks = [range(first, min(first + CHUNK, len(tiles))) for first in range(0, len(tiles), CHUNK)]
    total: TileSums | None = None
    with tqdm(total=len(tiles), unit="tile", smoothing=0.05) as bar:
        for sums in _each(functools.partial(_sum, tiles, bins), chunks, processes):
            total = sums if total is None else total + sums
            bar.update(sums.tiles)
    assert total is not None, "there are tiles"
    return Collected(dataset, counts, bins, total)


def _known(flag: str, wanted: Sequence[str] | None, there: Sequence[str]) -> Sequence[str]:
    unknown = [name for name in wanted or () if name not in there]
    if unknown:
        raise DataPrepError(f"{flag}: expected some of {', '.join(there)}, found {', '.join(unknown)}")
    return list(dict.fromkeys(wanted)) if wanted else there


def _bins(tiles: _Tiles) -> dict[str, Bins]:
    """Returns the bins of each modality; looks at some tiles only where bins depend on values."""
    dataset = tiles.dataset
    bins = {name: fixed_bins(dataset.modalities[name]) for name in tiles.modalities}
    open_ones = tuple(name for name, chosen in bins.items() if chosen is None)
    looked_at: dict[str, list[np.ndarray]] = {name: [] for name in open_ones}
    some = np.unique(np.linspace(0, len(tiles) - 1, LOOKED_AT).round().astype(int)).tolist() if open_ones else []
    for blocks in dataclasses.replace(tiles, modalities=open_ones).read(some):
        for name in open_ones:
            modality = dataset.modalities[name]
            stored = [block[name] for block in blocks]
            values, absent = present_values(modality, stored, modality.size // dataset.blocks)
            looked_at[name].append(values.ravel() if absent is None else values[~absent])
    return {
        name: adapted_bins(dataset.modalities[name], looked_at[name]) if chosen is None else chosen
        for name, chosen in bins.items()
    }


def _sum(tiles: _Tiles, bins: Mapping[str, Bins], chunk: range) -> TileSums:
    each = (TileSums.of(tiles.dataset, blocks, bins) for blocks in tiles.read(chunk))
    return functools.reduce(lambda first, second: first + second, each)


def _each(function: Callable[[range], TileSums], chunks: Sequence[range], processes: int) -> Iterator[TileSums]:
    if processes == 1:
        yield from map(function, chunks)
        return
    context = multiprocessing.get_context("spawn")  # forking a process with threads can deadlock
    executor = concurrent.futures.ProcessPoolExecutor(processes, context)
    try:
        yield from executor.map(function, chunks)
    except BrokenProcessPool as error:
        raise DataPrepError(
            "a worker process ended unexpectedly, perhaps for want of memory; try fewer --processes"
        ) from error
    finally:
        executor.shutdown(cancel_futures=True)

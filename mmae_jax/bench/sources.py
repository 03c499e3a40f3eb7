"""Where the benchmark of the input pipeline takes tiles from: shards with a stopwatch, longer series, raw files."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmae_jax.data import crops
from mmae_jax.data.records import Record, Records
from mmae_jax.data.tiles import Tile
from mmae_jax.spec import Dataset, SpecError


class TimedRecords(Sequence[Record]):
    """Records that add up processor seconds of reading and decoding, and bytes."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self.reading = self.decoding = 0.0
        self.num_bytes = self.num_reads = 0

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> Record:  # type: ignore[override]
        """Returns record `index`."""
        start = time.process_time()
        serialized = self._records.read(index)
        read = time.process_time()
        record = self._records.decode(index, serialized)
        self.reading += read - start
        self.decoding += time.process_time() - read
        self.num_bytes += len(serialized)
        self.num_reads += 1
        return record


class LongerRecords(Sequence[Record]):
    """Records whose time series are repeated; encoded again at first use, so that later uses decode as many bytes."""

    def __init__(self, records: Records, dataset: Dataset, times: int) -> None:
        self._records, self._dataset, self._times = records, dataset, times
        self._serialized: dict[int, bytes] = {}

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> Record:  # type: ignore[override]
        """Returns record `index`."""
        if index not in self._serialized:
            self._serialized[index] = self._records.codec.encode(self._longer(self._records[index]))
        return self._records.decode(index, self._serialized[index])

    def _longer(self, record: Record) -> Record:
        longer = dict(record)
        for name in self._dataset.modalities:
            if name in record and len(record[name]["dates"]) > 1:
                longer[name] = {part: self._repeat(part, value) for part, value in record[name].items()}
        return longer

    def _repeat(self, part: str, value: Any) -> Any:
        return value if part == "base" else np.concatenate([value] * self._times)


@dataclasses.dataclass(frozen=True)
class RawTile:
    """A tile read from the published files; like `Tile`."""

    tile: Any
    raw_dir: Path
    read_tile: Callable[[Path, Any], tuple[Record, int]]
    dataset: Dataset

    def read(self, start: crops.Cell, cells: int) -> Record:
        """Returns the tile's record with every raster cut to a square."""
        record, _ = self.read_tile(self.raw_dir, self.tile)
        return Tile([record], self.dataset, 0).read(start, cells)


class RawTiles(Sequence[RawTile]):
    """The tiles of some splits of a published dataset, as its reader in `data_prep` reads them."""

    def __init__(self, raw_dir: Path, dataset: Dataset, splits: Sequence[str], options: str) -> None:
        """Lists the tiles.

        Args:
          raw_dir: the published files.
          dataset: contract of the shards.
          splits: splits to read.
          options: those with which the shards were prepared, e.g. `--fold=1`.

        Raises:
          SpecError: data_prep knows no such dataset, or its files are not in `raw_dir`.
        """
        from data_prep.datasets.registry import open_source  # only here: training needs no readers of raw files

        self._raw_dir, self._source = raw_dir, open_source("--raw_dir", dataset.name, raw_dir, options)
        self._dataset = dataclasses.replace(dataset, blocks=1)
        listed = self._source.list_tiles(raw_dir)
        self._tiles = [tile for split in splits for tile in listed.get(split, ())]
        if not self._tiles:
            raise SpecError(f"--raw_dir: expected tiles of split {', '.join(splits)} in {raw_dir}, found none")

    def __len__(self) -> int:
        return len(self._tiles)

    def __getitem__(self, index: int) -> RawTile:  # type: ignore[override]
        """Returns tile `index`."""
        return RawTile(self._tiles[index], self._raw_dir, self._source.read_tile, self._dataset)

"""Tiles of one record or of blocks; a crop reads only the records it touches (docs/design.md, decision 11)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from mmae_jax import spec
from mmae_jax.data import crops
from mmae_jax.data.records import DataError, Record, Records


class Tiles(Sequence["Tile"]):
    """The tiles of some splits; nothing is read before a crop is asked for."""

    def __init__(self, records: Records | Sequence[Record], dataset: spec.Dataset) -> None:
        self._records = records
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._records) // self._dataset.blocks**2

    def __getitem__(self, index: int) -> Tile:  # type: ignore[override]
        """Returns tile `index`."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        return Tile(self._records, self._dataset, index)


class Chosen(Sequence["Tile"]):
    """Some of the tiles, by their numbers `[N]`."""

    def __init__(self, tiles: Tiles, numbers: np.ndarray) -> None:
        self._tiles, self._numbers = tiles, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: int) -> Tile:  # type: ignore[override]
        """Returns the tile at a place among them."""
        return self._tiles[int(self._numbers[index])]


@dataclasses.dataclass(frozen=True)
class Tile:
    """One tile of stored records."""

    records: Records | Sequence[Record]
    dataset: spec.Dataset
    index: int

    def read(self, start: crops.Cell, cells: int) -> Record:
        """Returns the tile's record with every raster cut to a square.

        Args:
          start: first row and column, in cells of the common grid (docs/method.md §2.1).
          cells: side of the square.

        Raises:
          DataError: a record is damaged, or the blocks of a tile contradict each other.
        """
        blocks = self.dataset.blocks
        per_block = self.dataset.size_gcd // blocks
        rows, columns = (range(first // per_block, (first + cells - 1) // per_block + 1) for first in start)
        first_record = self.index * blocks**2
        parts = [[self.records[first_record + row * blocks + column] for column in columns] for row in rows]
        inside = (start[0] - rows[0] * per_block, start[1] - columns[0] * per_block)
        record = dict(parts[0][0])
        for name, modality in self.dataset.modalities.items():
            if name in record:
                record[name] = dict(record[name])
                for part in ("pixels", "mask"):
                    if part in record[name]:
                        stored = [[block[name][part] for block in row] for row in parts]
                        record[name][part] = self._cut(f"{name}.{part}", stored, inside, cells, modality)
        for target in self._target_rasters(record):
            stored = [[block[target.field] for block in row] for row in parts]
            record[target.field] = self._cut(target.field, stored, inside, cells, target)
        return record

    def _target_rasters(self, record: Record) -> Iterator[spec.Target]:
        fields = {target.field: target for target in self.dataset.targets.values() if target.is_raster}
        return (target for field, target in fields.items() if field in record)

    def _cut(
        self,
        field: str,
        stored: list[list[np.ndarray]],
        inside: crops.Cell,
        cells: int,
        raster: spec.Modality | spec.Target,
    ) -> np.ndarray:
        if len({block.shape for row in stored for block in row}) > 1:
            raise DataError(f"tile {self.index}: {field}: its blocks differ in the number of dates")
        assert raster.size is not None, "rasters have a size"
        scale = raster.size // self.dataset.size_gcd
        if len(stored) == len(stored[0]) == 1:
            frame = raster.frame if isinstance(raster, spec.Modality) else 0
            return crops.cut(stored[0][0], inside, cells, scale, frame)
        return _stitch(stored, inside, cells, self.dataset.size_gcd // self.dataset.blocks, scale)


def _stitch(stored: list[list[np.ndarray]], inside: crops.Cell, cells: int, per_block: int, scale: int) -> np.ndarray:
    """Returns a crop of several blocks; copies only what is in it.

    Args:
      stored: rows of blocks, each `[..., side, side]`.
      inside: first row and column of the crop, in cells from the first block's corner.
      cells: side of the crop.
      per_block: cells per side of a block.
      scale: pixels per cell.
    """
    first = stored[0][0]
    crop = np.empty((*first.shape[:-2], cells * scale, cells * scale), first.dtype)
    for i, row in enumerate(stored):
        to_rows, from_rows = _overlap(i, inside[0], cells, per_block, scale)
        for j, block in enumerate(row):
            to_columns, from_columns = _overlap(j, inside[1], cells, per_block, scale)
            crop[..., to_rows, to_columns] = block[..., from_rows, from_columns]
    return crop


def _overlap(block: int, start: int, cells: int, per_block: int, scale: int) -> tuple[slice, slice]:
    """Returns the pixels of the crop that a block has, and where they are in the block, along one axis."""
    begin, end = max(start, block * per_block), min(start + cells, (block + 1) * per_block)
    in_crop, in_block = (slice((begin - at) * scale, (end - at) * scale) for at in (start, block * per_block))
    return in_crop, in_block

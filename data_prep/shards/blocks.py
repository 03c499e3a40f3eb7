"""Cuts the record of a large tile into the records of its blocks (row major), each as complete as a tile's."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np

from data_prep.shards.records import Record
from mmae_jax.contract.codec import Path, replaced
from mmae_jax.spec import Dataset


@dataclasses.dataclass(frozen=True)
class Blocks:
    """The records of the blocks of a tile.

    Attributes:
      shared: a record with what all blocks have in common; other fields are those of the whole tile.
      own: field → its values in each block, `[blocks², …]`, contiguous.
    """

    shared: Record
    own: Mapping[Path, np.ndarray]

    def __iter__(self) -> Iterator[Record]:
        for index in range(len(self.own["transform",])):
            yield replaced(self.shared, {path: values[index] for path, values in self.own.items()})


def blocks(record: Record, contract: Dataset) -> Blocks:
    """Returns the `contract.blocks²` blocks of a tile; the tile itself where it is one block."""
    rasters: list[Path] = [
        (name, part) for name in contract.modalities for part in ("pixels", "mask") if part in record[name]
    ]
    rasters += {(target.field,) for target in contract.targets.values() if target.is_raster}
    own: dict[Path, np.ndarray] = {("transform",): _transforms(record["transform"], contract)}
    if contract.blocks > 1:
        for path in rasters:
            raster = record[path[0]][path[1]] if len(path) > 1 else record[path[0]]
            own[path] = _cut(raster, contract.blocks)
    return Blocks(record, own)


def _cut(raster: np.ndarray, number: int) -> np.ndarray:
    """Returns the blocks `[number², …, h, w]` of a raster `[…, number · h, number · w]`."""
    *leading, rows, columns = raster.shape
    height, width = rows // number, columns // number
    # A block's part of a row is moved as one item: half the time of moving its pixels.
    part = np.dtype((np.void, width * raster.itemsize))
    parts = np.ascontiguousarray(raster).view(part).reshape(*leading, number, height, number)
    by_block = np.ascontiguousarray(np.moveaxis(parts, (-3, -1), (0, 1)))
    return by_block.view(raster.dtype).reshape(number**2, *leading, height, width)


def _transforms(transform: np.ndarray, contract: Dataset) -> np.ndarray:
    """Returns the affines a b c d e f of the blocks, `[blocks², 6]`; their pixels are those of the finest modality."""
    finest = max(modality.size for modality in contract.modalities.values())
    first = np.arange(contract.blocks) * (finest // contract.blocks)
    rows, columns = (index.ravel() for index in np.meshgrid(first, first, indexing="ij"))
    a, b, c, d, e, f = transform
    every = np.ones(len(rows))
    corner = (c + a * columns + b * rows, f + d * columns + e * rows)
    return np.stack([a * every, b * every, corner[0], d * every, e * every, corner[1]], axis=1)

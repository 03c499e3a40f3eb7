"""Cuts the record of a large tile into the records of its blocks (row major), each as complete as a tile's."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from data_prep.records import Record
from mmae_jax.spec import Dataset


def blocks(record: Record, contract: Dataset) -> Iterator[Record]:
    """Returns the records of the `contract.blocks²` blocks of a tile; the record itself where it is one block."""
    if contract.blocks == 1:
        yield record
        return
    for row in range(contract.blocks):
        for column in range(contract.blocks):
            yield _block(record, contract, row, column)


def _block(record: Record, contract: Dataset, row: int, column: int) -> Record:
    def cut(raster: np.ndarray) -> np.ndarray:
        side = raster.shape[-1] // contract.blocks
        return raster[..., row * side : (row + 1) * side, column * side : (column + 1) * side]

    block = dict(record)
    for name in contract.modalities:
        rasters = {part: cut(record[name][part]) for part in ("pixels", "mask") if part in record[name]}
        block[name] = record[name] | rasters
    for target in contract.targets.values():
        if target.kind == "segment":
            block[target.field] = cut(record[target.field])
    block["transform"] = _moved(record["transform"], contract, row, column)
    return block


def _moved(transform: np.ndarray, contract: Dataset, row: int, column: int) -> np.ndarray:
    """Returns the affine a b c d e f of a block; its pixels are those of the finest modality."""
    finest = max(modality.size for modality in contract.modalities.values())
    side = finest // contract.blocks
    a, b, c, d, e, f = transform
    rows, columns = row * side, column * side
    return np.array([a, b, c + a * columns + b * rows, d, e, f + d * columns + e * rows], np.float64)

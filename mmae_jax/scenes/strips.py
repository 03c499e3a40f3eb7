"""Finished rows of a map: what overlapping squares tell is blended, part by part, in an order that never changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from mmae_jax.scenes.job import SQUARES, STRIPS, Job
from mmae_jax.scenes.layers import Blended, Layer
from mmae_jax.scenes.tiling import Tiling, spans, touching, window

MAP = "map"
"""Name of the rows of the layer without a name."""
VALUES, OBSERVED = "values", "observed"
"""Arrays kept of a group of squares: float32 `[squares, H, W, outputs]`, uint8 `[squares, inputs, H, W]`."""


@dataclasses.dataclass(frozen=True)
class Strips:
    """The rows of a map, from each row of squares to the next.

    Attributes:
      tiling: the squares.
      batch_size: squares of a full group.
      scale: pixels of the map in a cell, along a side.
      height: rows of the map; the frame's cells may reach beyond it.
      width: columns of the map.
      layers: what is told of each pixel.
    """

    tiling: Tiling
    batch_size: int
    scale: int
    height: int
    width: int
    layers: Sequence[Layer]

    def __len__(self) -> int:
        return len(self.tiling.rows)

    def groups_of(self, strip: int) -> range:
        """Returns which groups of squares tell of a strip."""
        rows = self._touching(self.tiling.rows, strip, 0)
        across = len(self.tiling.columns)
        return range(rows.start * across // self.batch_size, (rows.stop * across - 1) // self.batch_size + 1)

    def make(self, job: Job, strip: int) -> None:
        """Blends the squares of a strip, and keeps its rows of each layer."""
        blocks = [self._block(job, strip, column) for column in range(len(self.tiling.columns))]
        rows = {layer.name or MAP: [layer.of(block) for block in blocks] for layer in self.layers}
        job.keep(STRIPS, strip, {name: np.concatenate(parts, axis=-1) for name, parts in rows.items()})

    def _touching(self, starts: tuple[int, ...], part: int, axis: int) -> range:
        tiling = self.tiling
        return touching(starts, tiling.cells, tiling.overlap, part, spans(starts, tiling.frame[axis])[part])

    def _block(self, job: Job, strip: int, column: int) -> Blended:
        """Returns what a strip tells between two columns of squares, within the map."""
        tiling = self.tiling
        limits = (self.height, self.width)
        (top, bottom), (left, right) = (
            [min(cell * self.scale, limits[axis]) for cell in spans(starts, tiling.frame[axis])[part]]
            for axis, (starts, part) in enumerate(((tiling.rows, strip), (tiling.columns, column)))
        )
        side = tiling.cells * self.scale
        weights = window(side, tiling.overlap * self.scale)
        total, values, observed = np.zeros((bottom - top, right - left), np.float32), None, None
        for row in self._touching(tiling.rows, strip, 0):
            for other in self._touching(tiling.columns, column, 1):
                y, x = tiling.rows[row] * self.scale, tiling.columns[other] * self.scale
                to = np.s_[
                    max(y, top) - top : min(y + side, bottom) - top, max(x, left) - left : min(x + side, right) - left
                ]
                at = np.s_[max(y, top) - y : min(y + side, bottom) - y, max(x, left) - x : min(x + side, right) - x]
                group, place = divmod(row * len(tiling.columns) + other, self.batch_size)
                seen = job.array(SQUARES, group, OBSERVED)[place][:, at[0], at[1]]
                told = job.array(SQUARES, group, VALUES)[place][at]
                if values is None or observed is None:
                    values = np.zeros((*total.shape, told.shape[-1]), np.float32)
                    observed = np.zeros((len(seen), *total.shape), np.uint8)
                weight = weights[at] * seen.any(axis=0)
                total[to] += weight
                values[to] += weight[..., None] * told
                observed[:, to[0], to[1]] = np.maximum(observed[:, to[0], to[1]], seen)
        assert values is not None, "each part has a square of its own"
        assert observed is not None, "as values"
        return Blended(values / np.where(total > 0, total, 1)[..., None], observed)

"""Where a sample and its patches lie on the ground."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from mmae_jax.contract.codec import Record
from mmae_jax.data.crops import Cell
from mmae_jax.spec import Dataset

CORNERS = ((0, 0), (0, 1), (1, 1), (1, 0))
"""Row and column of north-west, north-east, south-east, south-west, in sides of a square."""


@dataclasses.dataclass(frozen=True)
class Place:
    """A square on the ground.

    Attributes:
      crs: coordinate system, an EPSG code or WKT; empty where it is not known.
      affine: a b c d e f from column, row in sides of the square, 0 to 1, to map coordinates.
    """

    crs: str
    affine: tuple[float, ...]

    @property
    def centre(self) -> tuple[float, float]:
        """Map coordinates x, y of its middle."""
        a, b, c, d, e, f = self.affine
        return a / 2 + b / 2 + c, d / 2 + e / 2 + f

    def corners(self, grid: int = 1) -> np.ndarray:
        """Returns map coordinates of the corners of its `grid²` parts, float64 `[grid, grid, 4, 2]`; NaN if unknown."""
        if not self.crs:
            return np.full((grid, grid, 4, 2), np.nan)
        a, b, c, d, e, f = self.affine
        first = np.arange(grid)
        offsets = np.array(CORNERS)
        rows = (first[:, None, None] + offsets[:, 0]) / grid
        columns = (first[None, :, None] + offsets[:, 1]) / grid
        rows, columns = np.broadcast_arrays(rows, columns)
        return np.stack([a * columns + b * rows + c, d * columns + e * rows + f], axis=-1)


def place_of(record: Record, dataset: Dataset, start: Cell, cells: int) -> Place:
    """Returns the place of a square of a tile.

    Args:
      record: that of the block in which the square begins; `transform` is of the finest modality's stored pixels.
      dataset: the contract of the shards.
      start: first row and column in the tile, in cells.
      cells: side of the square.
    """
    crs = record["crs"].decode() if isinstance(record["crs"], bytes) else record["crs"]
    finest = max(dataset.modalities.values(), key=lambda modality: modality.size)
    pixels, per_block = finest.size // dataset.size_gcd, dataset.size_gcd // dataset.blocks
    row, column = (finest.frame + at % per_block * pixels for at in start)
    a, b, c, d, e, f = map(float, record["transform"])
    side = cells * pixels
    corner = (c + a * column + b * row, f + d * column + e * row)
    return Place(crs, (a * side, b * side, corner[0], d * side, e * side, corner[1]))


@dataclasses.dataclass(frozen=True)
class Area:
    """The squares of a scene, north up.

    Attributes:
      crs: coordinate system in metres, as WKT.
      left: x of the western edge.
      top: y of the northern edge.
      width: of what is there, from west to east [m].
      height: from north to south [m].
      side: of a square [m].
    """

    crs: str
    left: float
    top: float
    width: float
    height: float
    side: float

    @property
    def squares(self) -> tuple[int, int]:
        """Rows and columns of squares that cover the area; the last ones may reach beyond it."""
        return self.shape(1)

    def shape(self, grid: int) -> tuple[int, int]:
        """Returns rows and columns of the parts of squares that cover the area, `grid` to a side of a square."""
        rows, columns = (math.ceil(side / self.side * grid - 1e-6) for side in (self.height, self.width))
        return rows, columns

    def affine(self, grid: int) -> tuple[float, ...]:
        """Returns a b c d e f from column, row of such parts to map coordinates."""
        part = self.side / grid
        return (part, 0.0, self.left, 0.0, -part, self.top)

    def square(self, index: int) -> tuple[int, int]:
        """Returns row and column of a square, counted row by row."""
        return divmod(index, self.squares[1])

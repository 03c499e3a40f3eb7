"""What is asked of a scene: a frame on the ground, and the record of any square of it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Protocol

from mmae_jax.contract.codec import Record
from mmae_jax.data.crops import Cell


@dataclasses.dataclass(frozen=True)
class Frame:
    """The area of a scene, north up, on the grid of its reference sensor.

    Attributes:
      crs: coordinate system in metres, as WKT.
      left: x of the western edge.
      top: y of the northern edge.
      width: from west to east [m].
      height: from north to south [m].
      cell: side of a cell: the least square that has whole pixels of every sensor (docs/method.md §2.1) [m].
    """

    crs: str
    left: float
    top: float
    width: float
    height: float
    cell: float

    @property
    def cells(self) -> Cell:
        """Rows and columns of cells that cover the area; the last ones may reach beyond it."""
        rows, columns = (math.ceil(side / self.cell - 1e-6) for side in (self.height, self.width))
        return rows, columns


class Scene(Protocol):
    """Images of one area; cheap to copy to another process, where files are opened at the first read.

    Attributes:
      frame: where it is.
      files: what it is read from, in order; each with what tells that it changed, such as size and time.
    """

    frame: Frame
    files: Sequence[str]

    def read(self, start: Cell, cells: int) -> Record:
        """Returns a square as the record of a tile of that size (docs/method.md §2).

        It has `name`, `ref_date` and, for every modality that the experiment uses, `pixels` `[T, C, h, w]` on the
        square of the frame in the sensor's own ground sample distance, `dates` `[T, 3]` in order of time, and `mask`
        `[T, M, h, w]` where the contract has mask channels. What no file covers is missing: as NaN or `nodata` where
        the contract allows for missing pixels, otherwise the acquisition is left out; T may be 0.

        Args:
          start: first row and column, in cells; the square may reach beyond the frame.
          cells: side of the square.

        Raises:
          DataError: a file cannot be read any more, or contradicts the contract; names file, date, and field.
        """

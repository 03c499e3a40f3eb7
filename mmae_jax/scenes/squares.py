"""The squares of a scene as tiles of the input pipeline."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import cast

from mmae_jax.contract.codec import Record
from mmae_jax.data import crops
from mmae_jax.data.pipeline import Batches, tile_batches
from mmae_jax.data.tiles import Tile
from mmae_jax.scenes.scene import Scene
from mmae_jax.scenes.tiling import Tiling
from mmae_jax.spec import Data, Experiment


@dataclasses.dataclass(frozen=True)
class Square:
    """A square of a scene, which is read as a tile is."""

    scene: Scene
    start: crops.Cell

    def read(self, _start: crops.Cell, cells: int) -> Record:
        """Returns its record; a square is read whole."""
        return self.scene.read(self.start, cells)


class Squares(Sequence[Square]):
    """Some squares of a scene; nothing is read before one is asked for."""

    def __init__(self, scene: Scene, tiling: Tiling, indices: Sequence[int]) -> None:
        self._scene, self._tiling, self._indices = scene, tiling, indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Square:  # type: ignore[override]
        """Returns the square at a place of those chosen."""
        return Square(self._scene, self._tiling.start(self._indices[index]))


def groups(tiling: Tiling, batch_size: int) -> tuple[range, ...]:
    """Returns the squares of each batch; which ones go together never depends on what was done before."""
    return tuple(range(first, min(first + batch_size, len(tiling))) for first in range(0, len(tiling), batch_size))


def reading(experiment: Experiment, workers: int) -> Experiment:
    """Returns an experiment by which squares are read: as in evaluation, without targets, in one place each.

    Args:
      experiment: that of the model.
      workers: processes that read ahead; 0 for threads.
    """
    data = Data(dir="", crop_meters=experiment.data.crop_meters, workers=workers)
    return dataclasses.replace(experiment, targets=(), data=data)


def batches_of(
    experiment: Experiment, scene: Scene, tiling: Tiling, chosen: Sequence[range], batch_size: int
) -> Batches:
    """Returns a batch for each of some groups of squares, read ahead; samples beyond a group's end have weight 0.

    Args:
      experiment: that of `reading`; `data.workers` processes read, or threads where there are none.
      scene: what is read.
      tiling: its squares.
      chosen: some of `groups`, in order.
      batch_size: squares of a full group.

    Raises:
      DataError: while iterating: a file cannot be read.
    """
    if not chosen:
        return Batches(None)
    squares = Squares(scene, tiling, [index for group in chosen for index in group])
    return tile_batches(experiment, batch_size, cast(Sequence[Tile], squares))

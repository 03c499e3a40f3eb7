"""Samples of a scene: squares side by side, each as large as the model's crop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from mmae_jax.config import to_plain
from mmae_jax.data.batch import Batch
from mmae_jax.data.sample import eval_sample
from mmae_jax.data.tiles import Tile
from mmae_jax.embeddings.places import Area, Place
from mmae_jax.embeddings.samples import About
from mmae_jax.embeddings.tiles import how_read
from mmae_jax.formats import seal_of
from mmae_jax.scenes.scene import Scene
from mmae_jax.scenes.squares import Square
from mmae_jax.spec import Experiment


class SceneSamples:
    """All squares of a scene, row by row; the last of a row or column may reach beyond it."""

    def __init__(self, scene: Scene, experiment: Experiment) -> None:
        """Remembers what to read.

        Args:
          scene: where from.
          experiment: how; that of `mmae_jax.scenes.squares.reading`.
        """
        self.experiment = experiment
        self.origins: Sequence[str] = tuple(scene.files)
        self._scene, self._cells = scene, experiment.crop_cells
        frame = scene.frame
        side = frame.cell * self._cells
        self._area = Area(frame.crs, frame.left, frame.top, frame.width, frame.height, side)
        plain = {"files": list(scene.files), "frame": to_plain(frame)}
        self.fingerprint = seal_of({**plain, **how_read(experiment)})

    @property
    def area(self) -> Area:
        """Where the squares are."""
        return self._area

    def __len__(self) -> int:
        rows, columns = self._area.squares
        return rows * columns

    def sample(self, index: int) -> tuple[Batch, About]:
        """Returns a square, and what is known of it.

        Raises:
          DataError: a file cannot be read; names it.
        """
        row, column = self._area.square(index)
        square = Square(self._scene, (row * self._cells, column * self._cells))
        side = self._area.side
        corner = (self._area.left + column * side, self._area.top - row * side)
        place = Place(self._area.crs, (side, 0.0, corner[0], 0.0, -side, corner[1]))
        return eval_sample(self.experiment, cast(Tile, square), 0), About(f"{row}_{column}", "", 0, place)

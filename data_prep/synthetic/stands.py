"""A made-up forest of any size: stands of one to three genera side by side, like those of single tiles."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from data_prep.synthetic.landscape import COVERS, PIXELS_PER_METER, draw_mix, nearest_point, scattered, shade

BLOCK = 300
"""Aerial pixels along a side of what is grown at once: a tile of 60 m."""
CELL = 50
"""Aerial pixels along a side of a satellite pixel."""
STAND = 240 * PIXELS_PER_METER
"""Distance of stands in aerial pixels: most tiles have one to three genera, as single tiles do."""
REACH = 1.25 * STAND
"""How far around its middle the crowns of a stand are drawn, along both axes: no place of it is further off."""
PATCH = 17 * PIXELS_PER_METER
"""Distance of the patches of one genus inside a stand."""


@dataclasses.dataclass(frozen=True)
class Block:
    """A square of 60 m.

    Attributes:
      cover: index into `COVERS`, uint8 `[300, 300]`.
      relief: brightness, `[300, 300]`.
      shares: cover of each of `COVERS` in each satellite pixel, `[6, 6, 16]`.
      shift: days by which spring and autumn are late there, `[6, 6]`.
      vigour: factor of all reflectances, `[6, 6]`.
    """

    cover: np.ndarray
    relief: np.ndarray
    shares: np.ndarray
    shift: np.ndarray
    vigour: np.ndarray


@dataclasses.dataclass(frozen=True)
class _Stand:
    """One stand: its crowns, `[n, n]` places in aerial pixels from its own corner, their cover and brightness."""

    spacing: float
    rows: np.ndarray
    columns: np.ndarray
    cover: np.ndarray
    brightness: np.ndarray
    shift: float
    vigour: float


@dataclasses.dataclass(frozen=True)
class Woods:
    """A forest of `blocks × blocks` squares of 60 m.

    Attributes:
      seed: seed of all that is drawn; a block is the same in whatever order they are asked for.
      blocks: blocks along a side.
    """

    seed: int
    blocks: int

    @functools.cached_property
    def _middles(self) -> tuple[np.ndarray, np.ndarray]:
        return scattered(np.random.default_rng([self.seed, 0]), self.blocks * BLOCK, STAND)

    def block(self, row: int, column: int) -> Block:
        """Returns the block in a row and column of blocks."""
        down, right = (np.arange(first * BLOCK, (first + 1) * BLOCK, dtype=np.float32) for first in (row, column))
        stands = nearest_point(*self._middles, STAND, down, right)
        cover, relief = np.empty(stands.shape, np.uint8), np.empty(stands.shape, np.float32)
        present = np.unique(stands)
        for number in present:
            here = stands == number
            cover[here], relief[here] = self._crowns(int(number), down, right, here)
        centres = stands[CELL // 2 :: CELL, CELL // 2 :: CELL]
        known = {int(number): _stand(self.seed, int(number)) for number in present}
        shift, vigour = (
            np.vectorize(lambda each, name=name: getattr(known[each], name))(centres) for name in ("shift", "vigour")
        )
        cells = cover.reshape(BLOCK // CELL, CELL, BLOCK // CELL, CELL)
        shares = np.stack([(cells == index).mean((1, 3)) for index in range(len(COVERS))], -1)
        return Block(cover, relief, shares.astype(np.float32), shift, vigour)

    def _crowns(
        self, number: int, down: np.ndarray, right: np.ndarray, here: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns cover and brightness of the pixels of a stand, which are `here`."""
        stand = _stand(self.seed, number)
        (rows,), (columns,) = (np.nonzero(here.any(axis)) for axis in (1, 0))
        part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        middle = [places.ravel()[number] for places in self._middles]
        y, x = down[part[0]] - middle[0] + REACH, right[part[1]] - middle[1] + REACH
        nearest = nearest_point(stand.rows, stand.columns, stand.spacing, y, x)
        away = y[:, None] - stand.rows.ravel()[nearest], x[None] - stand.columns.ravel()[nearest]
        relief = shade(stand.brightness[nearest], *away, stand.spacing)
        return stand.cover[nearest][here[part]], relief[here[part]]


@functools.lru_cache(maxsize=512)
def _stand(seed: int, number: int) -> _Stand:
    rng = np.random.default_rng([seed, 1, number])
    mix = draw_mix(rng)
    spacing = COVERS[int(np.argmax(mix[:-1]))].crown * PIXELS_PER_METER * rng.uniform(0.9, 1.1)
    rows, columns = scattered(rng, 2 * REACH, spacing)
    patches = scattered(rng, 2 * REACH, PATCH)
    kinds = rng.choice(len(mix), patches[0].size, p=mix)
    home = [np.clip(np.floor(each / PATCH).astype(int) + 1, 0, len(patches[0]) - 1) for each in (rows, columns)]
    strays = rng.choice(len(mix), rows.size, p=mix)
    own = kinds[(home[0] * len(patches[0]) + home[1]).ravel()]
    cover = np.where(rng.random(rows.size) < 0.15, strays, own).astype(np.uint8)
    brightness = rng.normal(1.0, 0.08, rows.size)
    return _Stand(spacing, rows, columns, cover, brightness, rng.normal(0, 3.5), rng.normal(1, 0.05))

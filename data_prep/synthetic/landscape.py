"""A made-up forest tile: its crowns, and what an aircraft, Sentinel-2 and Sentinel-1 see of it."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from data_prep.synthetic.genera import GENERA, SPECTRA, UNLABELLED, Genus, backscatter, reflectance

SIDE = 304
"""Aerial pixels per side, 0.2 m each."""
FRAME = 2
CELLS = 6
"""Satellite pixels per side, 10 m each, on the tile inside the frame."""
PIXELS_PER_METER = 5

COVERS: tuple[Genus, ...] = (*GENERA.values(), UNLABELLED)
_WEIGHTS = np.array([genus.weight for genus in GENERA.values()])


@dataclasses.dataclass(frozen=True)
class Forest:
    """One tile.

    Attributes:
      main: index of the genus with the largest share of the stand.
      cover: index into `COVERS`, int `[304, 304]`.
      relief: brightness of crowns and gaps, mean about 1, `[304, 304]`.
      shift: days by which spring and autumn are late here.
      vigour: factor of all reflectances.
    """

    main: int
    cover: np.ndarray
    relief: np.ndarray
    shift: float
    vigour: float

    @property
    def proportions(self) -> np.ndarray:
        """Cover of each genus, float64 `[15]`; the rest is unlabelled."""
        return self.cell_shares.mean((0, 1))[:-1]

    @functools.cached_property
    def cell_shares(self) -> np.ndarray:
        """Cover of each member of `COVERS` in each satellite pixel, `[6, 6, 16]`."""
        inside = self.cover[FRAME:-FRAME, FRAME:-FRAME]
        cell = inside.shape[0] // CELLS
        blocks = inside.reshape(CELLS, cell, CELLS, cell)
        return np.stack([(blocks == index).mean((1, 3)) for index in range(len(COVERS))], -1)


def grow(rng: np.random.Generator) -> Forest:
    """Returns a random tile: one to three genera in stands of crowns, often with unlabelled gaps."""
    mix = draw_mix(rng)
    main = int(np.argmax(mix[:-1]))
    spacing = COVERS[main].crown * PIXELS_PER_METER * rng.uniform(0.9, 1.1)
    rows, columns, nearest, (down, right) = _crowns(rng, spacing)
    cover = _stands(rng, mix, rows, columns)[nearest]
    relief = shade(rng.normal(1.0, 0.08, len(rows))[nearest], down, right, spacing)
    return Forest(main, cover, relief, rng.normal(0, 3.5), rng.normal(1, 0.05))


def shade(brightness: np.ndarray, down: np.ndarray, right: np.ndarray, spacing: float) -> np.ndarray:
    """Returns the brightness of crowns where one is `down` and `right` of their centres."""
    dome = 1.15 - 1.1 * (down**2 + right**2) / spacing**2
    sunlit = 0.25 * (down + right) / spacing  # aerial images are taken around noon: the sun is in the south
    return (brightness * (dome + sunlit)).clip(0.25)


def draw_mix(rng: np.random.Generator) -> np.ndarray:
    """Shares of all covers: the main genus has most, up to two others and the unlabelled rest share what remains."""
    count = rng.choice([1, 2, 3], p=[0.45, 0.35, 0.2])
    chosen = rng.choice(len(GENERA), count, replace=False, p=_WEIGHTS / _WEIGHTS.sum())
    mix = np.zeros(len(COVERS))
    mix[chosen] = np.sort(rng.dirichlet([2.5, 1.0, 1.0][:count]))[::-1]
    rest = rng.choice([0.0, rng.uniform(0.02, 0.3)])
    mix *= 1 - rest
    mix[-1] = rest
    return mix


def _crowns(
    rng: np.random.Generator, spacing: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Crown centres (rows, columns); for each pixel the nearest crown and the way from it (down, right), in pixels."""
    rows, columns = scattered(rng, SIDE, spacing)
    pixels = np.arange(SIDE, dtype=np.float32)
    nearest = nearest_point(rows, columns, spacing, pixels, pixels)
    rows, columns = rows.ravel(), columns.ravel()
    return rows, columns, nearest, (pixels[:, None] - rows[nearest], pixels[None] - columns[nearest])


def scattered(rng: np.random.Generator, side: float, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns rows and columns of points, `[n, n]`, scattered around a grid that goes beyond each edge by one."""
    count = int(np.ceil(side / spacing)) + 2
    grid = np.arange(count) - 0.5
    rows = (grid[:, None] + rng.uniform(-0.35, 0.35, (count, count))) * spacing
    columns = (grid[None] + rng.uniform(-0.35, 0.35, (count, count))) * spacing
    return rows, columns


def nearest_point(
    rows: np.ndarray, columns: np.ndarray, spacing: float, down: np.ndarray, right: np.ndarray
) -> np.ndarray:
    """Returns the number of the nearest of some points for each place of a raster, int `[len(down), len(right)]`.

    Args:
      rows, columns: places of the points, `[n, n]`: point `i, j` near `(i - 0.5, j - 0.5) * spacing`.
      spacing: distance of points.
      down, right: rows and columns of the raster, in the same unit.
    """
    count = len(rows)
    home = [np.floor(along / spacing).astype(int) + 1 for along in (down, right)]
    best = np.full((len(down), len(right)), np.inf, np.float32)
    nearest = np.zeros(best.shape, int)
    for up in (-1, 0, 1):
        for left in (-1, 0, 1):
            row, column = (home[0] + up).clip(0, count - 1)[:, None], (home[1] + left).clip(0, count - 1)[None]
            squared = (rows[row, column] - down[:, None]) ** 2 + (columns[row, column] - right[None]) ** 2
            closer = squared < best
            best = np.where(closer, squared, best)
            nearest = np.where(closer, row * count + column, nearest)
    return nearest


def _stands(rng: np.random.Generator, mix: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Cover of each crown: that of the nearest of a few stands, or now and then of any."""
    stands = rng.uniform(0, SIDE, (12, 2))
    kinds = rng.choice(len(mix), 12, p=mix)
    kinds[0] = np.argmax(mix[:-1])
    squared = (rows[:, None] - stands[:, 0]) ** 2 + (columns[:, None] - stands[:, 1]) ** 2
    strays = rng.choice(len(mix), len(rows), p=mix)
    return np.where(rng.random(len(rows)) < 0.15, strays, kinds[squared.argmin(1)])


def photograph(rng: np.random.Generator, forest: Forest) -> np.ndarray:
    """Returns an aerial image uint8 `[4, 304, 304]` (NIR, G, B, R) of `forest`."""
    return expose(rng, draw_flight(rng), forest.cover, forest.relief)


def draw_flight(rng: np.random.Generator) -> np.ndarray:
    """Returns the brightness of a flight's images, `[4, 1, 1]`: flights differ more than many genera do."""
    return np.asarray(rng.normal(1, 0.1) * rng.normal(1, 0.04, (4, 1, 1)))


def expose(rng: np.random.Generator, flight: np.ndarray, cover: np.ndarray, relief: np.ndarray) -> np.ndarray:
    """Returns an aerial image uint8 `[4, n, n]` of covers and brightness `[n, n]`, n a multiple of 4."""
    side = len(cover)
    grey = np.array([genus.aerial for genus in COVERS], np.float32).T
    foliage = rng.normal(1, 0.1, (side // 4, side // 4)).repeat(4, 0).repeat(4, 1) * rng.normal(1, 0.07, (side, side))
    image = grey[:, cover] * flight.astype(np.float32) * (relief * foliage).astype(np.float32)
    return image.clip(0, 255).astype(np.uint8)


def observe_optical(rng: np.random.Generator, forest: Forest, days: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns Sentinel-2 data float32 `[T, 10, 6, 6]` (whole numbers ≥ 1) and masks `[T, 2, 6, 6]` (snow, cloud; %).

    Clouds and snow hide the forest; the mask tells most of them, but not thin haze.
    """
    spectra = np.stack([reflectance(genus, days, forest.shift) for genus in COVERS])
    ground = np.einsum("ijk,ktb->tbij", forest.cell_shares, spectra) * forest.vigour
    snow = _snow(rng, days)
    ground += snow[:, None] * (np.array(SPECTRA["snow"])[:, None, None] - ground)
    cloud = _clouds(rng, len(days))
    haze = rng.exponential(0.01, (len(days), 1, 1))
    veil = (cloud + haze).clip(0, 1)[:, None]
    bright = rng.uniform(4000, 9000, (len(days), 1, 1, 1)) * np.linspace(1.05, 0.6, 10)[:, None, None]
    seen = ground + veil * (bright - ground)
    seen = seen * rng.normal(1, 0.03, (len(days), 1, 1, 1)) * rng.normal(1, 0.02, seen.shape)
    masks = np.stack([snow, cloud], 1) * 100
    return np.rint(seen).clip(1, 18000).astype(np.float32), _with_tails(rng, np.rint(masks))


def _snow(rng: np.random.Generator, days: np.ndarray) -> np.ndarray:
    winter = (days < 60) | (days > 340)
    lying = winter & (rng.random(len(days)) < 0.3)
    patches = rng.uniform(0.3, 1.0, (len(days), CELLS, CELLS))
    return np.where(lying[:, None, None], patches, 0.0)


def _clouds(rng: np.random.Generator, dates: int) -> np.ndarray:
    """Opacity `[T, 6, 6]`: 40 % of the dates clear, 30 % overcast, the others with a cloud edge across the tile."""
    kind = rng.choice(3, dates, p=[0.4, 0.3, 0.3])[:, None, None]
    angle = rng.uniform(0, 2 * np.pi, (dates, 1, 1))
    row, column = np.meshgrid(np.arange(CELLS) - 2.5, np.arange(CELLS) - 2.5, indexing="ij")
    edge = row * np.cos(angle) + column * np.sin(angle) + rng.uniform(-2.5, 2.5, (dates, 1, 1))
    return np.select([kind == 0, kind == 1], [0.0, rng.uniform(0.7, 1.0, (dates, 1, 1))], (edge / 2).clip(0, 1))


def _with_tails(rng: np.random.Generator, masks: np.ndarray) -> np.ndarray:
    """Some zeros become tiny positive numbers, as resampling leaves them in the published masks."""
    tails = (masks == 0) & (rng.random(len(masks)) < 0.05)[:, None, None, None] & (rng.random(masks.shape) < 0.1)
    return np.where(tails, 1e-22, masks).astype(np.float32)


def observe_radar(rng: np.random.Generator, forest: Forest, days: np.ndarray, looks: float = 5.0) -> np.ndarray:
    """Returns Sentinel-1 sigma0, linear power, float32 `[T, 2, 6, 6]` (VV, VH), with speckle of `looks` looks."""
    levels = np.stack([backscatter(genus, days, forest.shift) for genus in COVERS])
    ground = np.einsum("ijk,ktb->tbij", forest.cell_shares, levels)
    wetness = 10 ** (rng.normal(0, 0.5, (len(days), 1, 1, 1)) / 10)
    return (ground * wetness * rng.gamma(looks, 1 / looks, ground.shape)).astype(np.float32)

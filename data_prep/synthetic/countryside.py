"""Made-up countryside: fields, woods and villages of 102.4 m, and what aircraft and satellites see of them."""

from __future__ import annotations

import dataclasses

import numpy as np

SIDE = 512
"""Pixels per side, 0.2 m each."""
CELLS = 10
"""Satellite pixels per side."""
_COARSE = 4
_NUM_PARCELS = 24

# reflectance · 10 000 in B02, B03, B04, B05, B06, B07, B08, B8A, B11, B12
_SPECTRA = {
    "green": (300, 550, 330, 900, 2600, 3300, 3500, 3600, 1800, 850),
    "needle": (180, 320, 210, 520, 1450, 1850, 1950, 2100, 950, 450),
    "dry": (500, 700, 900, 1150, 1500, 1650, 1800, 1900, 2600, 1900),
    "soil": (650, 850, 1100, 1350, 1500, 1650, 1800, 1950, 2700, 2200),
    "stone": (1100, 1300, 1450, 1600, 1700, 1800, 1850, 1900, 2200, 2000),
    "water": (450, 400, 280, 250, 220, 210, 180, 170, 60, 40),
    "snow": (8000, 7800, 7600, 7500, 7300, 7200, 7000, 6800, 900, 700),
}


@dataclasses.dataclass(frozen=True)
class Cover:
    """How one class looks.

    Attributes:
      weight: relative frequency.
      aerial: grey values in R, G, B, NIR.
      summer, winter: names of spectra.
      vv, vh: backscatter sigma0, dB.
      height: above the ground, m.
    """

    weight: float
    aerial: tuple[int, int, int, int]
    summer: str
    winter: str
    vv: float
    vh: float
    height: float


COVERS = (
    Cover(6, (165, 120, 105, 120), "stone", "stone", -3, -11, 7),  # building
    Cover(1, (190, 195, 190, 200), "stone", "stone", -7, -15, 4),  # greenhouse
    Cover(1, (70, 160, 180, 60), "water", "water", -12, -20, 0),  # swimming pool
    Cover(8, (140, 138, 140, 125), "stone", "stone", -11, -19, 0),  # impervious surface
    Cover(6, (165, 150, 130, 140), "dry", "soil", -12, -20, 0),  # pervious surface
    Cover(3, (180, 160, 135, 150), "soil", "soil", -13, -21, 0),  # bare soil
    Cover(3, (50, 70, 75, 25), "water", "water", -20, -28, 0),  # water
    Cover(1, (235, 235, 240, 230), "snow", "snow", -15, -23, 0),  # snow
    Cover(18, (110, 125, 85, 175), "green", "dry", -11, -18, 0.2),  # herbaceous vegetation
    Cover(18, (135, 135, 85, 160), "green", "soil", -10, -17, 0.6),  # agricultural land
    Cover(6, (150, 125, 100, 120), "soil", "soil", -11, -20, 0),  # plowed land
    Cover(4, (140, 125, 95, 140), "dry", "soil", -10, -17, 1.5),  # vineyard
    Cover(14, (75, 95, 65, 180), "green", "soil", -9, -14, 15),  # deciduous
    Cover(7, (55, 75, 60, 120), "needle", "needle", -9, -15, 18),  # coniferous
    Cover(5, (95, 105, 75, 150), "green", "dry", -10, -16, 3),  # brushwood
    Cover(1, (150, 135, 110, 130), "dry", "soil", -11, -18, 0.5),  # clear cut
    Cover(1, (90, 100, 75, 150), "green", "dry", -10, -16, 5),  # ligneous
    Cover(1, (100, 105, 80, 150), "green", "dry", -10, -16, 8),  # mixed
    Cover(1, (120, 120, 120, 120), "dry", "soil", -11, -18, 0),  # undefined
)
"""In the order of the published land cover classes."""

_WEIGHTS = np.array([cover.weight for cover in COVERS], float)
_FIELDS = (9, 10)
_VINEYARD_CROP, _BACKGROUND_CROP = 16, 22


@dataclasses.dataclass(frozen=True)
class Countryside:
    """One patch.

    Attributes:
      cover: index into `COVERS`, uint8 `[512, 512]`.
      crops: crop class 0 to 22, uint8 `[512, 512]`.
      brightness: brightness of each pixel, mean about 1, float32 `[512, 512]`.
      heights: metres above sea level of surface and ground, float32 `[2, 512, 512]`.
    """

    cover: np.ndarray
    crops: np.ndarray
    brightness: np.ndarray
    heights: np.ndarray

    @property
    def shares(self) -> np.ndarray:
        """Share of each member of `COVERS` in each satellite pixel, float32 `[19, 10, 10]`."""
        edges = np.arange(CELLS) * SIDE // CELLS
        counts = np.stack([self.cover == index for index in range(len(COVERS))]).astype(np.float32)
        sums = np.add.reduceat(np.add.reduceat(counts, edges, 1), edges, 2)
        return sums / sums.sum(0)


def settle(rng: np.random.Generator) -> Countryside:
    """Returns a random patch: parcels of one cover each, on rolling ground."""
    side = SIDE // _COARSE
    centres = rng.uniform(0, side, (_NUM_PARCELS, 2)).astype(np.float32)
    rows, columns = np.indices((side, side), np.float32)
    squared = (rows[..., None] - centres[:, 0]) ** 2 + (columns[..., None] - centres[:, 1]) ** 2
    parcel = _fine(squared.argmin(-1))
    covers = rng.choice(len(COVERS), _NUM_PARCELS, p=_WEIGHTS / _WEIGHTS.sum())
    crops = np.where(np.isin(covers, _FIELDS), rng.integers(0, 16, _NUM_PARCELS), _BACKGROUND_CROP)
    crops = np.where(covers == 11, _VINEYARD_CROP, crops)
    vigour = rng.normal(1, 0.06, _NUM_PARCELS)[parcel] * rng.normal(1, 0.05, (SIDE, SIDE))
    cover = covers[parcel].astype(np.uint8)
    return Countryside(cover, crops[parcel].astype(np.uint8), vigour.astype(np.float32), _heights(rng, cover))


def _fine(coarse: np.ndarray) -> np.ndarray:
    return coarse.repeat(_COARSE, 0).repeat(_COARSE, 1)


def _heights(rng: np.random.Generator, cover: np.ndarray) -> np.ndarray:
    rows, columns = np.indices((SIDE, SIDE), np.float32) / SIDE
    slope = rng.normal(0, 6, 2)
    ground = rng.uniform(5, 900) + slope[0] * rows + slope[1] * columns + 2 * np.sin(5 * rows + 3 * columns)
    tall = np.array([kind.height for kind in COVERS], np.float32)[cover]
    roughness = _fine(rng.uniform(0.8, 1.2, (SIDE // _COARSE, SIDE // _COARSE)))
    return np.stack([ground + tall * roughness, ground]).astype(np.float32)


def photograph(rng: np.random.Generator, scene: Countryside, contrast: float = 1.0) -> np.ndarray:
    """Returns an aerial image float32 `[4, 512, 512]` (R, G, B, NIR; grey values), exposed by chance."""
    grey = np.array([cover.aerial for cover in COVERS], np.float32).T
    exposure = rng.normal(contrast, 0.05, (4, 1, 1)).astype(np.float32)
    return (grey[:, scene.cover] * scene.brightness * exposure).clip(0, 255)


def observe_optical(rng: np.random.Generator, scene: Countryside, days: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns Sentinel-2 reflectance · 10 000 uint16 `[T, 10, 10, 10]` and percent of snow, cloud uint8 `[T, 2, …]`."""
    warmth = 0.5 - 0.5 * np.cos(2 * np.pi * (days[:, None, None] - 20) / 365.25)
    summer = np.array([_SPECTRA[cover.summer] for cover in COVERS])
    winter = np.array([_SPECTRA[cover.winter] for cover in COVERS])
    ground = np.einsum("kij,tkb->tbij", scene.shares, winter + (summer - winter) * warmth)
    cloud = _clouds(rng, len(days))
    snow = ((days < 50) & (rng.random(len(days)) < 0.3))[:, None, None] * rng.uniform(0.3, 1, (len(days), CELLS, CELLS))
    white = np.array(_SPECTRA["snow"])[:, None, None]
    seen = ground + snow[:, None] * (white - ground)
    seen += cloud[:, None] * (6000 - seen)
    seen *= rng.normal(1, 0.03, seen.shape)
    mask = np.rint(100 * np.stack([snow, cloud], 1)).astype(np.uint8)
    return np.rint(seen).clip(1, 18000).astype(np.uint16), mask


def _clouds(rng: np.random.Generator, dates: int) -> np.ndarray:
    """Opacity `[T, 10, 10]`: half of the dates clear, a fifth overcast, the others with cloud fields."""
    kind = rng.choice(3, dates, p=[0.5, 0.2, 0.3])[:, None, None]
    fields = rng.uniform(-1, 1.5, (dates, 2, 2)).repeat(CELLS // 2, 1).repeat(CELLS // 2, 2).clip(0, 1)
    return np.select([kind == 0, kind == 1], [0.0, rng.uniform(0.7, 1, (dates, 1, 1))], fields)


def observe_radar(rng: np.random.Generator, scene: Countryside, dates: int, looks: float = 5.0) -> np.ndarray:
    """Returns Sentinel-1 sigma0, linear power, float32 `[T, 2, 10, 10]` (VV, VH), with speckle of `looks` looks."""
    levels = 10 ** (np.array([(cover.vv, cover.vh) for cover in COVERS]) / 10)
    ground = np.einsum("kij,kb->bij", scene.shares, levels)
    return (ground * rng.gamma(looks, 1 / looks, (dates, *ground.shape))).astype(np.float32)


def acquisition_days(rng: np.random.Generator, mean: int, revisit: int) -> np.ndarray:
    """Returns sorted days of year, `mean` ± 25 % of them, no two on a day."""
    overpasses = np.arange(rng.integers(1, revisit + 1), 366, revisit)
    count = int(rng.integers(round(0.75 * mean), round(1.25 * mean) + 1))
    return np.sort(rng.choice(overpasses, max(1, min(count, len(overpasses))), replace=False))

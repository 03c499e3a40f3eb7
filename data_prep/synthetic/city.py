"""A made-up city of 640 m: its streets, roofs, lawns and trees, and what aircraft and satellites see of them."""

from __future__ import annotations

import dataclasses

import numpy as np

from data_prep.synthetic.genera import SPECTRA

SIDE = 512
"""Aerial pixels per side, 1.25 m each."""
CELLS = 64
"""Satellite pixels per side, 10 m each."""


@dataclasses.dataclass(frozen=True)
class Cover:
    """One kind of ground: aerial grey values (R, G, B, NIR), Sentinel-2 summer and winter spectra, VV and VH in dB."""

    aerial: tuple[float, float, float, float]
    summer: tuple[float, ...]
    winter: tuple[float, ...]
    backscatter: tuple[float, float]


_ASPHALT = (900, 950, 1000, 1050, 1100, 1150, 1200, 1250, 1400, 1300)
_ROOF = (1500, 1600, 1750, 1850, 1950, 2050, 2150, 2250, 2500, 2300)
_WATER = (700, 500, 350, 280, 220, 210, 190, 180, 90, 60)

STREET, ROOF, LAWN, TREE, WATER = range(5)
COVERS = (
    Cover((105, 105, 110, 95), _ASPHALT, _ASPHALT, (-12.0, -20.0)),
    Cover((150, 140, 135, 130), _ROOF, _ROOF, (0.0, -9.0)),
    Cover((110, 130, 95, 175), SPECTRA["meadow"], SPECTRA["soil"], (-11.0, -18.0)),
    Cover((70, 95, 70, 160), SPECTRA["broad_light"], SPECTRA["bare_wood"], (-9.0, -14.5)),
    Cover((40, 55, 70, 25), _WATER, _WATER, (-19.0, -27.0)),
)


def build(rng: np.random.Generator) -> np.ndarray:
    """Returns the cover of a city, index into `COVERS`, int `[512, 512]`: streets around lots of one use each."""
    cover = np.full((SIDE, SIDE), STREET)
    lot, street = int(rng.integers(28, 56)), int(rng.integers(6, 12))
    for top in range(street, SIDE, lot + street):
        for left in range(street, SIDE, lot + street):
            inside = cover[top : top + lot, left : left + lot]
            inside[:] = rng.choice([LAWN, TREE, WATER], p=[0.7, 0.22, 0.08])
            if inside[0, 0] == LAWN:
                margin = int(rng.integers(3, lot // 3))
                inside[margin:-margin, margin:-margin] = rng.choice([ROOF, TREE, LAWN], p=[0.8, 0.1, 0.1])
    return cover


def photograph(rng: np.random.Generator, cover: np.ndarray) -> np.ndarray:
    """Returns an aerial image uint8 `[4, 512, 512]` (R, G, B, NIR)."""
    grey = np.array([kind.aerial for kind in COVERS], np.float32).T[:, cover]
    flight = rng.normal(1, 0.08) * rng.normal(1, 0.03, (4, 1, 1))
    texture = rng.normal(1, 0.06, cover.shape)
    return (grey * flight * texture).clip(0, 255).astype(np.uint8)


def _shares(cover: np.ndarray, cells: int) -> np.ndarray:
    """Returns the share of each cover in each cell, `[cells, cells, covers]`."""
    side = SIDE // cells
    lots = cover.reshape(cells, side, cells, side)
    return np.stack([(lots == index).mean((1, 3)) for index in range(len(COVERS))], -1)


def observe_optical(rng: np.random.Generator, cover: np.ndarray, days: np.ndarray, cells: int = CELLS) -> np.ndarray:
    """Returns reflectance · 10 000 uint16 `[T, 10, cells, cells]` on days of year `days`; some images are cloudy."""
    leaves = 1 / (1 + np.exp(-np.minimum(days - 110, 300 - days) / 8.0))[:, None, None]
    summer, winter = (np.array([getattr(kind, season) for kind in COVERS]) for season in ("summer", "winter"))
    ground = np.einsum("ijk,tkb->tbij", _shares(cover, cells), winter + (summer - winter) * leaves)
    veil = rng.choice([0.0, 0.6], (len(days), 1, 1, 1), p=[0.85, 0.15])
    seen = (ground + veil * (7000 - ground)) * rng.normal(1, 0.02, ground.shape)
    return np.rint(seen).clip(1, 20000).astype(np.uint16)


def observe_radar(rng: np.random.Generator, cover: np.ndarray, dates: int) -> np.ndarray:
    """Returns Sentinel-1 backscatter in dB, float32 `[T, 2, 64, 64]` (VV, VH), with speckle."""
    power = 10 ** (np.array([kind.backscatter for kind in COVERS]) / 10)
    ground = np.einsum("ijk,kb->bij", _shares(cover, CELLS), power)
    return (10 * np.log10(ground * rng.gamma(5.0, 0.2, (dates, *ground.shape)))).astype(np.float32)

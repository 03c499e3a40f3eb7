"""What Sentinel-2 and Sentinel-1 see of a made-up forest of any size on one day."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.ndimage import zoom

from data_prep.synthetic.genera import SPECTRA, backscatter, reflectance
from data_prep.synthetic.landscape import COVERS

CLOUD_CELLS = 24
"""Satellite pixels from cloud to cloud."""


@dataclasses.dataclass(frozen=True)
class Ground:
    """A forest in satellite pixels.

    Attributes:
      shares: cover of each of `COVERS`, `[rows, columns, 16]`.
      shift, vigour: as of blocks, `[rows, columns]`.
    """

    shares: np.ndarray
    shift: np.ndarray
    vigour: np.ndarray


def optical(rng: np.random.Generator, ground: Ground, day: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns reflectance · 10 000 in ten bands, uint16 `[10, rows, columns]`, and snow and cloud, percent `[2, …]`.

    Drawn like the images of single tiles; a cloud may cover many of these.
    """
    shape = ground.shift.shape
    seen = np.zeros((*shape, 10))
    for index, genus in enumerate(COVERS):
        spectra = reflectance(genus, (day - ground.shift).ravel(), 0.0).reshape(*shape, 10)
        seen += ground.shares[..., index, None] * spectra
    seen *= ground.vigour[..., None]
    lies = (day < 60 or day > 340) and rng.random() < 0.3
    snow = rng.uniform(0.3, 1.0, shape) if lies else np.zeros(shape)
    seen += snow[..., None] * (np.array(SPECTRA["snow"]) - seen)
    cloud = _clouds(rng, shape)
    veil = (cloud + rng.exponential(0.01)).clip(0, 1)[..., None]
    bright = rng.uniform(4000, 9000) * np.linspace(1.05, 0.6, 10)
    seen += veil * (bright - seen)
    seen *= rng.normal(1, 0.03) * rng.normal(1, 0.02, seen.shape)
    masks = np.rint(np.stack([snow, cloud]) * 100).astype(np.uint8)
    return np.moveaxis(np.rint(seen).clip(1, 18000), -1, 0).astype(np.uint16), masks


def radar(rng: np.random.Generator, ground: Ground, day: int, looks: float = 5.0) -> np.ndarray:
    """Returns sigma0, linear power, float32 `[2, rows, columns]` (VV, VH), with speckle of `looks` looks."""
    shape = ground.shift.shape
    seen = np.zeros((*shape, 2))
    for index, genus in enumerate(COVERS):
        levels = backscatter(genus, (day - ground.shift).ravel(), 0.0).reshape(*shape, 2)
        seen += ground.shares[..., index, None] * levels
    seen *= 10 ** (rng.normal(0, 0.5) / 10) * rng.gamma(looks, 1 / looks, seen.shape)
    return np.moveaxis(seen, -1, 0).astype(np.float32)


def _clouds(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Opacity `[rows, columns]`: two fifths of the days are clear, three tenths overcast, the others in between."""
    kind = rng.choice(3, p=[0.4, 0.3, 0.3])
    if kind == 0:
        return np.zeros(shape)
    if kind == 1:
        return np.full(shape, rng.uniform(0.7, 1.0))
    coarse = rng.normal(size=[side // CLOUD_CELLS + 4 for side in shape])
    field = zoom(coarse, CLOUD_CELLS, order=3)[: shape[0], : shape[1]]
    return np.asarray(((field - rng.uniform(-0.6, 0.6)) / 0.3).clip(0, 1))

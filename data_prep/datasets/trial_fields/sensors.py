"""What sensors see of trial fields."""

from __future__ import annotations

import numpy as np

from data_prep.datasets.trial_fields.contract import GROUPS
from data_prep.datasets.trial_fields.growth import SIDE, Fields
from data_prep.datasets.trial_fields.truth import Truth

MEANS = np.repeat([800.0, 3000.0, 2000.0], GROUPS)
"""Reflectance · 10 000 in visible, near infrared and short-wave infrared light."""
GREENING = np.array([-400.0, 400.0, -400.0, -1500.0, 1500.0, 1500.0, 800.0, -800.0])
"""Change of it from bare to green."""
FAINT = 150.0
VISIBLE = np.arange(len(MEANS)) < GROUPS[0]
LEVELS = np.array([1.0, -1.0, 0.5, -0.5, 1.0, -1.0, 0.5, -0.5])


def optical(rng: np.random.Generator, truth: Truth, fields: Fields) -> np.ndarray:
    """Returns reflectance · 10 000, int16 `[n, 12, 8, 4, 4]`."""
    green, greening = fields.green[:, :, None], GREENING
    if truth.told_by == "level":
        green = rng.uniform(-0.5, 0.5, (*fields.days.shape, 1, 1, 1))
    seen = np.repeat(green * np.ones((SIDE, SIDE)), len(MEANS), axis=2)
    if truth.bands == "faint":
        seen[:, :, ~VISIBLE] = rng.uniform(-0.5, 0.5, (*fields.days.shape, 1, 1, 1))
        greening = np.where(VISIBLE, np.sign(GREENING) * FAINT, GREENING)
    if truth.told_by == "level":
        levels = 0.1 * (fields.crop - 1.5)[:, None] * LEVELS
        seen = seen + levels[:, None, :, None, None]
    seen = seen + truth.noise * (rng.normal(0, 0.1, (*seen.shape[:3], 1, 1)) + rng.normal(0, 0.1, seen.shape))
    values = MEANS[:, None, None] + greening[:, None, None] * seen
    if truth.haze:
        hazy = rng.random((*fields.days.shape, 1, 1, 1)) < 0.4
        values[:, :, VISIBLE] += hazy * rng.uniform(4000, 15000, hazy.shape)
    return np.rint(values).clip(-5000, 30000).astype(np.int16)


def radar(rng: np.random.Generator, truth: Truth, fields: Fields) -> tuple[np.ndarray, np.ndarray]:
    """Returns backscatter of ascending and descending orbit, decibel, float32 `[n, 12, 2, 4, 4]` each.

    Rows of a crop reflect to one side, and wind turns them, so that on each date one orbit, either, sees more than the
    other: in VV and VH, little or much, as how many seasons there are and which end is slow. How wet the soil is hides
    it from each orbit alone.
    """
    told = np.stack([fields.twice, fields.slow], axis=1)[:, None].astype(float)
    shape = (*fields.days.shape, 2)
    if truth.radar == "difference":
        wet, rows = rng.normal(0, 3, shape), rng.choice([-1.0, 1.0], shape) * (0.2 + 1.3 * told)
        asc, des = wet + rows, wet - rows
    else:
        asc, des = (rng.normal(0, 1, shape) + 1.2 * one for one in (told[..., :1], told[..., 1:]))
    return _speckled(rng, truth, asc), _speckled(rng, truth, des)


def _speckled(rng: np.random.Generator, truth: Truth, signal: np.ndarray) -> np.ndarray:
    level = signal[..., None, None] + np.array([-9.0, -15.0])[:, None, None]
    return (level + truth.noise * rng.normal(0, 0.7, (*signal.shape, SIDE, SIDE))).astype(np.float32)


def aerial(rng: np.random.Generator, truth: Truth, fields: Fields) -> np.ndarray:
    """Returns digital numbers, uint8 `[n, 1, 4, 8, 8]` (NIR, R, G, B): they tell which end of a season is slow."""
    tint = np.array([1.0, -0.6, 0.5, -0.3])
    values = 110 + 12 * (2 * fields.slow - 1)[:, None] * tint
    noise = rng.normal(0, 12, (len(values), 4, 1, 1)) + rng.normal(0, 12, (len(values), 4, 2 * SIDE, 2 * SIDE))
    return np.rint(values[:, :, None, None] + truth.noise * noise).clip(0, 255).astype(np.uint8)[:, None]

"""Position and date encodings of tokens (docs/method.md §3)."""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from mmae_jax.models.resize import resize_matrix

DATE_CHANNELS = 8
DAYS_PER_YEAR = 365.25
TEMPERATURE = 10_000


def sincos_line(side: int, width: int) -> np.ndarray:
    """Returns sines, then cosines, of the positions along one axis, float64 `[side, (width - DATE_CHANNELS) / 2]`."""
    frequencies = (width - DATE_CHANNELS) // 4
    angles = np.arange(side)[:, None] * float(TEMPERATURE) ** -(np.arange(frequencies) / (frequencies - 1))
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)


def sincos_grid(line: np.ndarray) -> np.ndarray:
    """Returns positions `[side, side, width]`: those of the column, those of the row, `DATE_CHANNELS` zeros."""
    side, half = line.shape
    grid = np.zeros((side, side, 2 * half + DATE_CHANNELS))
    grid[:, :, :half], grid[:, :, half : 2 * half] = line[None], line[:, None]
    return grid


@functools.cache
def position_encoding(side: int, grid: int, width: int) -> np.ndarray:
    """Returns the position encoding of an input.

    Args:
      side: side of the common position grid (`grid_pos_enc`), at least `grid`.
      grid: patches per side of the input.
      width: width of a token.

    Returns:
      float32 `[grid², width]`, row major: the common grid resized to the nearest multiple of `grid`, then mean-pooled.
    """
    # Resizing and pooling treat rows and columns alike and keep constants, so that one axis stands for both.
    line = sincos_line(side, width)
    if side % grid:
        line = resize_matrix(side, grid * round(side / grid), "bilinear").astype(np.float64) @ line
    pooled = line.reshape(grid, -1, line.shape[1]).mean(axis=1)
    return sincos_grid(pooled).reshape(grid * grid, width).astype(np.float32)


def common_grid(grids: list[int]) -> int:
    """Returns the default side of the position grid: the least common multiple of the inputs' grids."""
    return math.lcm(*grids)


def date_encoding(dates: jax.Array, ref_date: jax.Array, width: int) -> jax.Array:
    """Encodes day of year, hour of day and distance to the reference date.

    Args:
      dates: dates of the images, int `[B, D, 3]`, `[year, day_of_year, hour]`.
      ref_date: reference date of each sample, int `[B, 3]`.
      width: width of a token.

    Returns:
      float32 `[B, D, width]`; all but the last `DATE_CHANNELS` channels are 0.
    """
    year, day, hour = jnp.moveaxis(dates.astype(jnp.float32), -1, 0)
    ref_year, ref_day, _ = jnp.moveaxis(ref_date.astype(jnp.float32)[:, None], -1, 0)
    # Whole years are subtracted first: their sum with the day fraction would lose 1e-4 in float32 (docs/method.md §3).
    delta = (year - ref_year) + (day - ref_day) / DAYS_PER_YEAR
    day_angle, hour_angle = 2 * jnp.pi * day / DAYS_PER_YEAR, 2 * jnp.pi * hour / 24
    angles = [jnp.sin(day_angle), jnp.cos(day_angle), jnp.sin(hour_angle), jnp.cos(hour_angle)]
    channels = jnp.stack([delta] * (DATE_CHANNELS - len(angles)) + angles, axis=-1)
    return jnp.pad(channels, ((0, 0), (0, 0), (width - DATE_CHANNELS, 0)))

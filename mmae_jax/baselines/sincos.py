"""Sines and cosines of positions and dates, as masked autoencoders of images have them (arXiv 2111.06377)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

TEMPERATURE = 10_000.0
EXACT = 2**12
"""Whole numbers up to here, times a float32 of as many digits, are float32 without rounding."""


def frequencies(width: int) -> np.ndarray:
    """Returns the angular frequencies of an encoding of a width, float64 `[width / 2]`."""
    return TEMPERATURE ** -(np.arange(width // 2) / (width // 2))


def sincos(numbers: jax.Array, width: int) -> jax.Array:
    """Encodes whole numbers `[...]` below 4096: float32 `[..., width]`, all sines first."""
    fraction, exponent = np.frexp(frequencies(width))
    # Years are large: their product with a frequency of few digits is exact, and what is left of it is added.
    coarse = np.ldexp(np.round(fraction * EXACT), exponent) / EXACT
    of_shape = (1,) * numbers.ndim + (-1,)
    near, rest = (
        numbers.astype(jnp.float32)[..., None] * jnp.asarray(part, jnp.float32).reshape(of_shape)
        for part in (coarse, frequencies(width) - coarse)
    )
    sines = jnp.sin(near) * jnp.cos(rest) + jnp.cos(near) * jnp.sin(rest)
    cosines = jnp.cos(near) * jnp.cos(rest) - jnp.sin(near) * jnp.sin(rest)
    return jnp.concatenate([sines, cosines], axis=-1)


def sincos_square(grid: int, width: int) -> np.ndarray:
    """Encodes the positions of a grid: float32 `[grid, grid, width]`, half of it the column, half the row."""
    angles = np.arange(grid)[:, None] * frequencies(width // 2)
    line = np.concatenate([np.sin(angles), np.cos(angles)], axis=-1)
    shape = (grid, grid, width // 2)
    columns, rows = np.broadcast_to(line[None], shape), np.broadcast_to(line[:, None], shape)
    return np.concatenate([columns, rows], axis=-1).astype(np.float32)


def rounded_sincos(numbers: jax.Array, width: int) -> jax.Array:
    """Encodes numbers `[...]` as PyTorch does in float32: `[..., width]`, all sines first.

    Years and nanometres turn by thousands of radians, of which float32 keeps four decimals; models were trained so.
    """
    exponents = np.arange(width // 2, dtype=np.float32) / np.float32(width // 2)
    steps = 1 / (TEMPERATURE ** exponents.astype(np.float64)).astype(np.float32)
    angles = numbers.astype(jnp.float32)[..., None] * jnp.asarray(steps).reshape((1,) * numbers.ndim + (-1,))
    return jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1)

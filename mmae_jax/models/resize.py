"""Resizing of square rasters and token grids as by PyTorch's `interpolate` without antialiasing (docs/method.md §2.5).

`jax.image.resize` differs where it matters here: its cubic kernel has another coefficient (−0.5, not −0.75) and its
nearest neighbour other indices (half-pixel centres, where the reference takes `floor(i · in / out)`).
"""

from __future__ import annotations

import functools
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

Method = Literal["nearest", "bilinear", "bicubic"]

CUBIC_COEFFICIENT = -0.75


def nearest_indices(size_in: int, size_out: int) -> np.ndarray:
    """Returns the source index of each of `size_out` pixels, int `[size_out]`."""
    return np.arange(size_out) * size_in // size_out


@functools.cache
def resize_matrix(size_in: int, size_out: int, method: Method, corners: bool = False) -> np.ndarray:
    """Returns the float32 matrix `[size_out, size_in]` that resizes one axis; its rows add up to 1.

    With `corners`, the centres of the first and the last pixel stay where they are (PyTorch's `align_corners`).
    """
    rows = np.arange(size_out)
    if method == "nearest":
        taps = [(nearest_indices(size_in, size_out), np.ones(size_out))]
    else:
        position = rows * (size_in - 1) / max(size_out - 1, 1) if corners else (rows + 0.5) * size_in / size_out - 0.5
        if method == "bilinear":
            position = np.maximum(position, 0)
        first = np.floor(position).astype(int)
        fraction = position - first
        kernel = _linear_taps(fraction) if method == "bilinear" else _cubic_taps(fraction)
        taps = [(np.clip(first + shift, 0, size_in - 1), weight) for shift, weight in kernel]
    matrix = np.zeros((size_out, size_in))
    for columns, weight in taps:
        np.add.at(matrix, (rows, columns), weight)
    return matrix.astype(np.float32)


def _linear_taps(fraction: np.ndarray) -> list[tuple[int, np.ndarray]]:
    return [(0, 1 - fraction), (1, fraction)]


def _cubic_taps(fraction: np.ndarray) -> list[tuple[int, np.ndarray]]:
    a = CUBIC_COEFFICIENT

    def near(t: np.ndarray) -> np.ndarray:
        return ((a + 2) * t - (a + 3)) * t * t + 1

    def far(t: np.ndarray) -> np.ndarray:
        return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a

    return [(-1, far(fraction + 1)), (0, near(fraction)), (1, near(1 - fraction)), (2, far(2 - fraction))]


def resize(x: jax.Array, size: int, method: Method, *, axes: tuple[int, int] = (-2, -1)) -> jax.Array:
    """Resizes two equally long axes of `x` to `size`.

    Args:
      x: float array; rows and columns on `axes`.
      size: pixels per side afterwards.
      method: `nearest`, `bilinear` or `bicubic`.
      axes: the row and the column axis.

    Returns:
      An array of the same dtype and rank.
    """
    for axis in axes:
        size_in = x.shape[axis]
        if size_in == size:
            continue
        if method == "nearest":
            x = jnp.take(x, nearest_indices(size_in, size), axis=axis)
        else:
            matrix = jnp.asarray(resize_matrix(size_in, size, method), x.dtype)
            resized = jnp.tensordot(x, matrix, axes=((axis,), (1,)), precision=jax.lax.Precision.HIGHEST)
            x = jnp.moveaxis(resized, -1, axis)
    return x

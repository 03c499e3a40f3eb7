"""Weights of patches in another size (FlexiViT, arXiv 2212.08013, §3.4)."""

from __future__ import annotations

import functools

import numpy as np

from mmae_jax.models.resize import resize_matrix


def embedding_resized(kernel: np.ndarray, side: int) -> np.ndarray:
    """Returns the kernel that embeds patches of another size, resized bilinearly, as the old one embeds the old.

    The pseudo-inverse of resizing: exact where patches grow, the least squares for white noise where they shrink.

    Args:
      kernel: float `[..., P, P]`, what embeds a patch of P × P pixels.
      side: pixels of a side of the new patches.

    Returns:
      `[..., side, side]`, of the same dtype.
    """
    return _both_sides(_inverse_of_transposed(kernel.shape[-1], side), kernel)


def pixels_resized(kernel: np.ndarray, side: int) -> np.ndarray:
    """Returns what makes the pixels of patches of another size: the old pixels `[..., P, P]`, resized bilinearly."""
    return _both_sides(resize_matrix(kernel.shape[-1], side, "bilinear").astype(np.float64), kernel)


@functools.cache
def _inverse_of_transposed(old: int, new: int) -> np.ndarray:
    return np.linalg.pinv(resize_matrix(old, new, "bilinear").astype(np.float64).T)


def _both_sides(matrix: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    return np.einsum("ap,bq,...pq->...ab", matrix, matrix, kernel, optimize=True).astype(kernel.dtype)

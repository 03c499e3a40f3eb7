"""Attention that prefers what is near, in place of position encodings: ALiBi in two dimensions (arXiv 2311.00566)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

HALVINGS = 8.0
"""Slopes of the heads are powers of two, evenly spaced in their exponents down to 2⁻⁸."""


def nearness(grid: int, heads: int) -> jax.Array:
    """Returns what each head adds to the scores between patches of an image, float32 `[H, grid², grid²]`.

    It falls with the distance of their centres, by the head's slope per patch.
    """
    rows, columns = np.divmod(np.arange(grid**2), grid)
    distances = np.hypot(rows[:, None] - rows, columns[:, None] - columns).astype(np.float32)
    slopes = (2.0 ** (-HALVINGS * np.arange(1, heads + 1) / heads)).astype(np.float32)
    return -jnp.asarray(slopes)[:, None, None] * jnp.asarray(distances)[None]

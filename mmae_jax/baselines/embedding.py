"""Patch embedding of an input: weights of a foundation model for bands that it knows, new ones for the others."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from mmae_jax import parallel
from mmae_jax.baselines.bands import Channels
from mmae_jax.models.draws import normal_param
from mmae_jax.models.gradients import product, shifted
from mmae_jax.models.patches import to_patches

NEW_DEVIATION = 0.01
"""Of weights of bands that the model never saw, as the reference has it."""


class SensorEmbedding(nnx.Module):
    """Convolution of stride P; the kernel is in two parts, that of known and that of new bands.

    Attributes:
      known_kernel: `[P², known bands, E]`, bands in the order of the input; absent where there are none.
      new_kernel: `[P², other bands, E]`.
    """

    def __init__(self, channels: Channels, patch: int, width: int, *, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        known = [index for index, channel in enumerate(channels) if channel is not None]
        new = [index for index, channel in enumerate(channels) if channel is None]
        self.known_kernel = self._drawn(rngs, patch, len(known), width)
        self.new_kernel = self._drawn(rngs, patch, len(new), width)
        self.bias = nnx.Param(jnp.zeros(width))
        self.order = tuple(int(place) for place in np.argsort([*known, *new]))
        self.patch = patch
        self.dtype = dtype

    @staticmethod
    def _drawn(rngs: nnx.Rngs, patch: int, bands: int, width: int) -> nnx.Param[jax.Array] | None:
        return normal_param(rngs, (patch**2, bands, width), NEW_DEVIATION) if bands else None

    def __call__(self, pixels: jax.Array) -> jax.Array:
        """Maps `[B, D, C, H, W]` to `[B, D, L, E]`."""
        parts = [part[...] for part in (self.known_kernel, self.new_kernel) if part is not None]
        kernel = jnp.concatenate(parts, axis=1)[:, np.array(self.order)]
        patches = to_patches(pixels, self.patch).astype(self.dtype)
        return shifted(product("bdlpc,pce->bdle", parallel.EMBEDDING_KERNEL, patches, kernel), self.bias[...])

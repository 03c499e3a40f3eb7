"""Patch embedding, pixel projection, and the layouts in between (docs/method.md §3, §6)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from mmae_jax import parallel
from mmae_jax.models.draws import uniform_param
from mmae_jax.models.gradients import normalised, product, shifted
from mmae_jax.models.layers import EPSILON, Linear
from mmae_jax.spec import Input


def to_patches(pixels: jax.Array, patch: int) -> jax.Array:
    """Cuts `[B, D, C, H, W]` into `[B, D, L, P², C]`: patches row major, pixels of a patch row major."""
    b, d, c, height, width = pixels.shape
    cut = pixels.reshape(b, d, c, height // patch, patch, width // patch, patch)
    return cut.transpose(0, 1, 3, 5, 4, 6, 2).reshape(b, d, -1, patch * patch, c)


def from_patches(patches: jax.Array, patch: int) -> jax.Array:
    """Inverse of `to_patches`, for square images: `[B, D, L, P², C]` to `[B, D, C, H, W]`."""
    b, d, length, _, c = patches.shape
    grid = round(length**0.5)
    cut = patches.reshape(b, d, grid, grid, patch, patch, c)
    return cut.transpose(0, 1, 6, 2, 4, 3, 5).reshape(b, d, c, grid * patch, grid * patch)


class BandGroupEmbedding(nnx.Module):
    """Embeds the patches of one band group: convolution of stride P, then GroupNorm with one group."""

    def __init__(self, bands: int, patch: int, width: int, *, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        fan_in = bands * patch**2
        self.kernel = uniform_param(rngs, (patch**2, bands, width), fan_in)
        self.bias = uniform_param(rngs, (width,), fan_in)
        self.norm_scale = nnx.Param(jnp.ones(width))
        self.norm_bias = nnx.Param(jnp.zeros(width))
        self.dtype = dtype

    def __call__(self, patches: jax.Array) -> jax.Array:
        """Maps `[B, D, L, P², C]` to `[B, D, L, E]`; the norm couples all tokens of one date's image."""
        patches = patches.astype(self.dtype)
        tokens = product("bdlpc,pce->bdle", parallel.EMBEDDING_KERNEL, patches, self.kernel[...])
        tokens = shifted(tokens, self.bias[...])
        return normalised(tokens, self.norm_scale[...], self.norm_bias[...], (-2, -1), EPSILON)


class PatchEmbedding(nnx.Module):
    """Embeds the patches of all band groups of an input."""

    def __init__(self, model_input: Input, width: int, *, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        self.lengths = model_input.group_lengths
        self.groups = nnx.List(
            [BandGroupEmbedding(bands, model_input.patch_size, width, dtype=dtype, rngs=rngs) for bands in self.lengths]
        )

    def __call__(self, patches: jax.Array) -> jax.Array:
        """Maps `[B, D, L, P², C]` to tokens `[B, G·D, L, E]`, band group major."""
        tokens, start = [], 0
        for length, embedding in zip(self.lengths, self.groups, strict=True):
            tokens.append(embedding(patches[..., start : start + length]))
            start += length
        return jnp.concatenate(tokens, axis=1)


class PixelProjection(nnx.Module):
    """Projects decoded tokens to the pixels of their patch."""

    def __init__(self, model_input: Input, width: int, *, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        self.lengths = model_input.group_lengths
        self.groups = nnx.List(
            [Linear(width, model_input.patch_size**2 * bands, dtype=dtype, rngs=rngs) for bands in self.lengths]
        )

    def __call__(self, tokens: jax.Array) -> jax.Array:
        """Maps tokens `[B, G·D, L, E]` to float32 patches `[B, D, L, P², C]`."""
        parts = jnp.split(tokens, len(self.lengths), axis=1)
        pixels = [
            projection(part).reshape(*part.shape[:3], -1, bands)
            for part, projection, bands in zip(parts, self.groups, self.lengths, strict=True)
        ]
        return jnp.concatenate(pixels, axis=-1).astype(jnp.float32)


def mask_per_band(masked: jax.Array, model_input: Input) -> jax.Array:
    """Spreads a token mask `[B, G·D, L]` over the bands of its group: `[B, D, L, C]`."""
    parts = jnp.split(masked, len(model_input.bands), axis=1)
    spread = [
        jnp.broadcast_to(part[..., None], (*part.shape, bands))
        for part, bands in zip(parts, model_input.group_lengths, strict=True)
    ]
    return jnp.concatenate(spread, axis=-1)

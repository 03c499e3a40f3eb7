"""Prediction heads (docs/method.md §8)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from mmae_jax import tasks
from mmae_jax.models.draws import normal_param
from mmae_jax.models.layers import LayerNorm, Linear
from mmae_jax.models.resize import resize
from mmae_jax.spec import Experiment

POOLING_HEADS = 8


class AttentivePooling(nnx.Module):
    """Pools tokens by one learned query."""

    def __init__(self, width: int, *, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        self.norm = LayerNorm(width)
        self.query = normal_param(rngs, (width,))
        self.to_kv = Linear(width, 2 * width, bias=False, dtype=dtype, rngs=rngs)
        self.norm_out = LayerNorm(width)

    def __call__(self, tokens: jax.Array, valid: jax.Array) -> jax.Array:
        """Pools `[B, N, E]` to `[B, E]` over the tokens that are `valid` (bool `[B, N]`)."""
        batch, _, width = tokens.shape
        k, v = jnp.split(self.to_kv(self.norm(tokens)), 2, axis=-1)
        k, v = (array.reshape(*array.shape[:2], POOLING_HEADS, -1) for array in (k, v))
        query = self.query[...].astype(k.dtype).reshape(1, 1, POOLING_HEADS, -1)
        query = jnp.broadcast_to(query, (batch, *query.shape[1:]))
        pooled = jax.nn.dot_product_attention(query, k, v, mask=valid[:, None, None, :])
        return self.norm_out(pooled.reshape(batch, width))


class MeanPooling(nnx.Module):
    """Averages tokens (head type `linear`)."""

    def __call__(self, tokens: jax.Array, valid: jax.Array) -> jax.Array:
        """Pools `[B, N, E]` to `[B, E]` over the tokens that are `valid` (bool `[B, N]`)."""
        weight = valid.astype(jnp.float32)[..., None]
        total = jnp.sum(tokens.astype(jnp.float32) * weight, axis=1)
        return (total / jnp.maximum(weight.sum(axis=1), 1)).astype(tokens.dtype)


class Head(nnx.Module):
    """Pooling and a linear map; of all tokens for a tile, of the tokens at one position for its pixels."""

    def __init__(self, kind: str, width: int, outputs: int, *, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        self.pool = AttentivePooling(width, dtype=dtype, rngs=rngs) if kind == "attentive" else MeanPooling()
        self.linear = Linear(width, outputs, dtype=dtype, rngs=rngs)

    def __call__(self, tokens: jax.Array, valid: jax.Array) -> jax.Array:
        """Maps tokens `[B, N, E]` to float32 logits `[B, outputs]`."""
        return self.linear(self.pool(tokens, valid)).astype(jnp.float32)


def pixel_logits(head: Head, tokens: jax.Array, valid: jax.Array, outputs: int) -> jax.Array:
    """Predicts numbers for pixels, such as the logits of their classes.

    Args:
      head: maps to `patch² · outputs`, ordered `(row in patch, column in patch, output)`.
      tokens: `[B, D, L, E]`, all dates of all inputs on one grid.
      valid: bool `[B, D]`.
      outputs: numbers predicted for a pixel.

    Returns:
      float32 `[B, H, W, outputs]`.
    """
    batch, dates, length, width = tokens.shape
    columns = tokens.transpose(0, 2, 1, 3).reshape(batch * length, dates, width)
    logits = head(columns, jnp.repeat(valid, length, axis=0))
    grid, patch = round(length**0.5), round((logits.shape[-1] / outputs) ** 0.5)
    logits = logits.reshape(batch, grid, grid, patch, patch, outputs)
    return logits.transpose(0, 1, 3, 2, 4, 5).reshape(batch, grid * patch, grid * patch, outputs)


def on_grid(tokens: jax.Array, grid: int) -> jax.Array:
    """Resizes tokens `[B, T, L, E]`, L = side² positions row by row, to another grid: `[B, T, grid², E]`."""
    side = round(tokens.shape[2] ** 0.5)
    square = tokens.reshape(*tokens.shape[:2], side, side, -1)
    return resize(square, grid, "bilinear", axes=(2, 3)).reshape(*tokens.shape[:2], grid**2, -1)


def head_outputs(experiment: Experiment, name: str) -> int:
    """Returns how many numbers the head of a target predicts: per tile, or per patch of the reference grid."""
    target = experiment.dataset.targets[name]
    outputs = tasks.of(target).outputs(target)
    if target.size is None:
        return outputs
    assert experiment.model.ref_input is not None, "checked with the configuration"
    pixels = target.size * experiment.crop_cells // experiment.dataset.size_gcd
    return (pixels // experiment.inputs[experiment.model.ref_input].grid) ** 2 * outputs

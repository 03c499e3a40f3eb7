"""Layers with PyTorch's defaults: initialisation, epsilons, float32 statistics (docs/design.md, decision 3)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from mmae_jax import parallel
from mmae_jax.models.draws import uniform_param
from mmae_jax.models.gradients import product, shifted

EPSILON = 1e-5


class Linear(nnx.Module):
    """`x · kernel + bias` over the last axis, computed in `dtype`."""

    def __init__(self, width_in: int, width_out: int, *, bias: bool = True, dtype: jnp.dtype, rngs: nnx.Rngs) -> None:
        self.kernel = uniform_param(rngs, (width_in, width_out), width_in)
        self.bias = uniform_param(rngs, (width_out,), width_in) if bias else None
        self.dtype = dtype

    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps `[..., width_in]` to `[..., width_out]`."""
        letters = "abcd"[: x.ndim - 1]
        formula = f"{letters}i,io->{letters}o"
        y = product(formula, parallel.LINEAR_KERNEL, x.astype(self.dtype), self.kernel[...])
        return y if self.bias is None else shifted(y, self.bias[...])


class LayerNorm(nnx.Module):
    """Normalises the last axis; statistics in float32."""

    def __init__(self, width: int) -> None:
        self.scale = nnx.Param(jnp.ones(width))
        self.bias = nnx.Param(jnp.zeros(width))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns `x` `[..., width]` normalised, in its dtype."""
        return normalise(x, self.scale[...], self.bias[...], axes=(-1,))


def normalise(x: jax.Array, scale: jax.Array, bias: jax.Array, *, axes: tuple[int, ...]) -> jax.Array:
    """Subtracts the mean and divides by the standard deviation over `axes`, then scales and shifts the last axis.

    Args:
      x: `[..., E]`.
      scale: `[E]`.
      bias: `[E]`.
      axes: axes of one normalised set.

    Returns:
      An array like `x`; statistics and affine map are computed in float32.
    """
    wide = x.astype(jnp.float32)
    centred = wide - wide.mean(axis=axes, keepdims=True)
    variance = jnp.square(centred).mean(axis=axes, keepdims=True)
    unit = centred * jax.lax.rsqrt(variance + EPSILON)
    return (unit * _along_last_axis(scale, x) + _along_last_axis(bias, x)).astype(x.dtype)


def _along_last_axis(vector: jax.Array, like: jax.Array) -> jax.Array:
    return vector.reshape((1,) * (like.ndim - 1) + vector.shape)

"""Layers with PyTorch's defaults: initialisation, epsilons, float32 statistics (docs/design.md, decision 3)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from mmae_jax import parallel
from mmae_jax.models.draws import uniform_param
from mmae_jax.models.gradients import normalised, product, shifted

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

    def __init__(self, width: int, epsilon: float = EPSILON) -> None:
        self.scale = nnx.Param(jnp.ones(width))
        self.bias = nnx.Param(jnp.zeros(width))
        self.epsilon = epsilon

    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns `x` `[..., width]` normalised, in its dtype."""
        return normalised(x, self.scale[...], self.bias[...], (-1,), self.epsilon)

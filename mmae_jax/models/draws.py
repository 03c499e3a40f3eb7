"""How parameters are drawn, written down apart from drawing them, so that equal draws are one compiled program."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx


@dataclasses.dataclass(frozen=True)
class Draw:
    """Distribution and shape of a float32 parameter.

    Attributes:
      kind: `uniform` in ±`scale`, or `normal` with mean 0.
      shape: the parameter's shape.
      scale: the largest absolute value of uniform numbers, the standard deviation of normal ones.
    """

    kind: Literal["uniform", "normal"]
    shape: tuple[int, ...]
    scale: float = 1.0

    def __call__(self, key: jax.Array, scale: jax.Array | float | None = None) -> jax.Array:
        """Returns the numbers of a key; a `scale` given here, which may be traced, stands for the own one."""
        scale = self.scale if scale is None else scale
        if self.kind == "normal":
            return scale * jax.random.normal(key, self.shape)
        return jax.random.uniform(key, self.shape, jnp.float32, -scale, scale)


class Recording(nnx.Rngs):
    """Stands for the random keys of a model's constructor: parameters are zeros, and how to draw them is noted.

    Attributes:
      draws: the draws in the order of their keys.
      arrays: what stands for the parameters meanwhile.
    """

    def __init__(self) -> None:
        super().__init__()
        self.draws: list[Draw] = nnx.static([])
        self.arrays: list[jax.Array] = nnx.static([])

    def placeholder(self, draw: Draw) -> jax.Array:
        """Notes a draw and returns zeros."""
        self.draws.append(draw)
        self.arrays.append(jnp.zeros(draw.shape, jnp.float32))
        return self.arrays[-1]


def drawn_param(rngs: nnx.Rngs, draw: Draw) -> nnx.Param[jax.Array]:
    """Returns a parameter drawn by the next key of `rngs`."""
    return nnx.Param(rngs.placeholder(draw) if isinstance(rngs, Recording) else draw(rngs.params()))


def uniform_param(rngs: nnx.Rngs, shape: tuple[int, ...], fan_in: int) -> nnx.Param[jax.Array]:
    """Returns a float32 parameter drawn from U(±1/√fan_in), PyTorch's default for linear and convolution layers."""
    return drawn_param(rngs, Draw("uniform", shape, 1 / math.sqrt(fan_in)))


def normal_param(rngs: nnx.Rngs, shape: tuple[int, ...], deviation: float = 1.0) -> nnx.Param[jax.Array]:
    """Returns a float32 parameter drawn from the normal distribution of mean 0 and a standard deviation."""
    return drawn_param(rngs, Draw("normal", shape, deviation))

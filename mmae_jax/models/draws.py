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
      kind: `uniform` in ±`bound`, or `normal` with mean 0 and standard deviation 1.
      shape: the parameter's shape.
      bound: largest absolute value; `uniform` only.
    """

    kind: Literal["uniform", "normal"]
    shape: tuple[int, ...]
    bound: float = 0.0

    def __call__(self, key: jax.Array, bound: jax.Array | float | None = None) -> jax.Array:
        """Returns the numbers of a key; a `bound` given here, which may be traced, stands for the own one."""
        if self.kind == "normal":
            return jax.random.normal(key, self.shape)
        bound = self.bound if bound is None else bound
        return jax.random.uniform(key, self.shape, jnp.float32, -bound, bound)


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


def normal_param(rngs: nnx.Rngs, shape: tuple[int, ...]) -> nnx.Param[jax.Array]:
    """Returns a float32 parameter drawn from the standard normal distribution."""
    return drawn_param(rngs, Draw("normal", shape))

"""Where the tokens of a sequence stand while it is encoded: softmax does not mind their order."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from mmae_jax.models.attention.cudnn import LENGTH_MULTIPLE
from mmae_jax.models.gradients import moved


@dataclasses.dataclass(frozen=True)
class Arrangement:
    """An order of tokens, made once for all blocks of an encoder.

    Attributes:
      valid: bool `[B, M]`; which tokens are there once arranged.
      moves: where each token comes from, int32 `[B, M]`, N for what is none, and where each goes, int32 `[B, N]`; None
        where they stay as they are.
    """

    valid: jax.Array
    moves: tuple[jax.Array, jax.Array] | None = None

    @classmethod
    def of(cls, valid: jax.Array, kernel: str) -> Arrangement:
        """Returns the order that a kernel of attention wants: cuDNN knows lengths, so that valid tokens stand first.

        Args:
          valid: bool `[B, N]`.
          kernel: a key of `attention.NAMES`.
        """
        if kernel != "cudnn":
            return cls(valid)
        length = valid.shape[1]
        padding = -length % LENGTH_MULTIPLE
        order = jnp.argsort(~valid, axis=-1, stable=True).astype(jnp.int32)
        first = jnp.arange(length + padding)[None] < valid.sum(axis=-1)[:, None]
        places = jnp.pad(order, ((0, 0), (0, padding)), constant_values=length)
        return cls(first, (places, jnp.argsort(order, axis=-1).astype(jnp.int32)))

    def arranged(self, x: jax.Array) -> jax.Array:
        """Returns tokens `[B, M, E]` of `[B, N, E]`."""
        return x if self.moves is None else moved(x, *self.moves)

    def restored(self, x: jax.Array) -> jax.Array:
        """Inverse of `arranged`."""
        return x if self.moves is None else moved(x, *self.moves[::-1])

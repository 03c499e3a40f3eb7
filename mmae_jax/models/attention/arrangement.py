"""Where the tokens of a sequence stand while it is encoded: softmax does not mind their order."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from mmae_jax.models.attention.cudnn import LENGTH_MULTIPLE


@dataclasses.dataclass(frozen=True)
class Arrangement:
    """An order of tokens, made once for all blocks of an encoder.

    Attributes:
      valid: bool `[B, M]`; which tokens are there once arranged.
      order: int32 `[B, N]`, the tokens in their order; None where they stay as they are.
      padding: M - N, tokens that are none behind the others.
    """

    valid: jax.Array
    order: jax.Array | None = None
    padding: int = 0

    @classmethod
    def of(cls, valid: jax.Array, kernel: str) -> Arrangement:
        """Returns the order that a kernel of attention wants: cuDNN knows lengths, so that valid tokens stand first.

        Args:
          valid: bool `[B, N]`.
          kernel: a key of `attention.NAMES`.
        """
        if kernel != "cudnn":
            return cls(valid)
        order = jnp.argsort(~valid, axis=-1, stable=True).astype(jnp.int32)
        padding = -valid.shape[1] % LENGTH_MULTIPLE
        first = jnp.arange(valid.shape[1] + padding)[None] < valid.sum(axis=-1)[:, None]
        return cls(first, order, padding)

    def arranged(self, x: jax.Array) -> jax.Array:
        """Returns tokens `[B, M, E]` of `[B, N, E]`."""
        if self.order is None:
            return x
        x = jnp.take_along_axis(x, self.order[..., None], axis=1)
        return jnp.pad(x, ((0, 0), (0, self.padding), (0, 0)))

    def restored(self, x: jax.Array) -> jax.Array:
        """Inverse of `arranged`."""
        if self.order is None:
            return x
        places = jnp.argsort(self.order, axis=-1)
        return jnp.take_along_axis(x[:, : places.shape[1]], places[..., None], axis=1)

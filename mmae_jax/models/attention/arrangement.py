"""Where the tokens of a sequence stand while it is encoded: softmax does not mind their order."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from mmae_jax.models.attention.cudnn import LENGTH_MULTIPLE
from mmae_jax.models.gradients import moved


class Moves(NamedTuple):
    """Moves of tokens of sequences, each to a place of its own.

    Attributes:
      places: from where each token of the result comes, int32 `[B, M]`; N where none comes.
      back: to where each token goes, int32 `[B, N]`; M where it goes nowhere.
    """

    places: jax.Array
    back: jax.Array

    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns tokens `[B, M, E]` of `[B, N, E]`; 0 where none comes."""
        return moved(x, *self)

    @property
    def inverse(self) -> Moves:
        """The way back."""
        return Moves(self.back, self.places)

    def after(self, before: Moves) -> Moves:
        """Returns the moves that lead in one step to where `before` and then these lead, from where `before` begins."""
        places = _followed(before.places, self.places, none=before.back.shape[1])
        return Moves(places, _followed(self.back, before.back, none=self.places.shape[1]))

    def padded(self, multiple: int) -> Moves:
        """Returns the same moves with places at the end to which none comes, so that M is a multiple of a number."""
        length, moved_to = self.places.shape[1], self.back.shape[1]
        padding = -length % multiple
        places = jnp.pad(self.places, ((0, 0), (0, padding)), constant_values=moved_to)
        return Moves(places, jnp.where(self.back == length, length + padding, self.back))


def _followed(of_places: jax.Array, places: jax.Array, none: int) -> jax.Array:
    return jnp.take_along_axis(of_places, places, axis=1, mode="fill", fill_value=none)


@dataclasses.dataclass(frozen=True)
class Arrangement:
    """An order of tokens, made once for all blocks of an encoder.

    Attributes:
      valid: bool `[B, M]`; which tokens are there once arranged.
      moves: `[B, N]` to `[B, M]`; None where tokens stay as they are.
    """

    valid: jax.Array
    moves: Moves | None = None

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
        moves = Moves(order, jnp.argsort(order, axis=-1).astype(jnp.int32)).padded(LENGTH_MULTIPLE)
        return cls(jnp.arange(moves.places.shape[1])[None] < valid.sum(axis=-1)[:, None], moves)

    def arranged(self, x: jax.Array) -> jax.Array:
        """Returns tokens `[B, M, E]` of `[B, N, E]`."""
        return x if self.moves is None else self.moves(x)

    def restored(self, x: jax.Array) -> jax.Array:
        """Inverse of `arranged`."""
        return x if self.moves is None else self.moves.inverse(x)

    def then(self, moves: Moves) -> Moves:
        """Returns moves of tokens as they stood before, as moves of arranged ones."""
        return moves if self.moves is None else moves.after(self.moves.inverse).padded(LENGTH_MULTIPLE)

"""Which tokens the pretraining objective hides (docs/method.md §5)."""

from __future__ import annotations

import dataclasses
import zlib

import jax
import jax.numpy as jnp

from mmae_jax import parallel
from mmae_jax.models.fusion import Fusion
from mmae_jax.spec import Input, Mask


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class SequenceMask:
    """Masking of one sequence; a missing token is neither masked nor visible.

    Attributes:
      masked: bool `[B, N]`; tokens to reconstruct.
      visible: bool `[B, N]`; tokens the encoder sees, at most K a sample.
      kept_index: int32 `[B, K]`; positions of the visible tokens in their order, then of others to fill up.
    """

    masked: jax.Array
    visible: jax.Array
    kept_index: jax.Array

    @classmethod
    def of(cls, masked: jax.Array, available: jax.Array, kept: int) -> SequenceMask:
        """Keeps the tokens that are `available` and not `masked` (both bool `[B, N]`), at most `kept` of them."""
        visible = available & ~masked
        kept_index = jnp.argsort(~visible, axis=-1, stable=True)[:, :kept].astype(jnp.int32)
        return cls(masked & available, visible, kept_index)

    @property
    def kept_valid(self) -> jax.Array:
        """bool `[B, K]`; False where a sample has fewer visible tokens because some are missing."""
        return jnp.take_along_axis(self.visible, self.kept_index, axis=-1)

    def keep(self, tokens: jax.Array) -> jax.Array:
        """Returns the kept tokens `[B, K, E]` of `[B, N, E]`."""
        return jnp.take_along_axis(tokens, self.kept_index[..., None], axis=1)

    def restore(self, kept: jax.Array, mask_tokens: jax.Array) -> jax.Array:
        """Puts kept tokens `[B, K, E]` back at their positions among `mask_tokens` `[B, N, E]`."""
        slot = jnp.clip(jnp.cumsum(self.visible, axis=-1) - 1, 0, kept.shape[1] - 1)
        spread = jnp.take_along_axis(kept, slot[..., None], axis=1)
        return jnp.where(self.visible[..., None], spread, mask_tokens)


def masked_count(mask: Mask, tokens: int, dates: int, *, structured: bool) -> int:
    """Returns how many of the tokens of a sequence are masked: `round(ratio · tokens)`, half to even.

    Args:
      mask: settings.
      tokens: length of the sequence.
      dates: N of docs/method.md §5, dates × band groups in the sequence.
      structured: whether the ratio grows with N (`mod` and `group` only).
    """
    ratio = 1 - (1 - mask.ratio) / dates**mask.scale if structured else mask.ratio
    return round(ratio * tokens)


def draw_masks(key: jax.Array, fusion: Fusion, mask: Mask, available: dict[str, jax.Array]) -> dict[str, SequenceMask]:
    """Draws the masks of a batch, each device those of its samples.

    Draws depend on the key, the input's name and the position in the batch only, so an input that is missing, or
    other hosts and devices, change nothing for the rest.

    Args:
      key: random key of the step.
      fusion: arrangement of the tokens.
      mask: ratio and probabilities of the structures.
      available: input → bool `[B, G·D, L]`, tokens that are there.

    Returns:
      The mask of every sequence.
    """
    batch = next(iter(available.values())).shape[0]
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.arange(batch))
    return parallel.by_rows(lambda keys, available: _draw_rows(keys, fusion, mask, available), keys, available)


def _draw_rows(keys: jax.Array, fusion: Fusion, mask: Mask, available: dict[str, jax.Array]) -> dict[str, SequenceMask]:
    """Draws the masks of samples by a key `[B]` of each."""
    noise = {name: _uniform(keys, ("noise", name), array.shape) for name, array in available.items()}
    noises, availables = fusion.join(noise), fusion.join(available)
    structured = {
        sequence: jnp.zeros_like(availables[sequence])
        if fusion.dates_apart
        else _draw_structure(keys, fusion, mask, sequence, available, availables[sequence])
        for sequence in fusion.sequences
    }
    return {
        sequence: _select(
            fusion, mask, sequence, available, availables[sequence], structured[sequence], noises[sequence]
        )
        for sequence in fusion.sequences
    }


def _select(
    fusion: Fusion,
    mask: Mask,
    sequence: str,
    available: dict[str, jax.Array],
    joined: jax.Array,
    structured: jax.Array,
    noise: jax.Array,
) -> SequenceMask:
    """Masks structured tokens first, the rest at random, up to the exact count."""
    length = joined.shape[-1]
    names = fusion.sequences[sequence]
    dates = sum(fusion.inputs[name].tokens_per_position for name in names)
    count = masked_count(mask, length, dates, structured=not fusion.dates_apart)
    kept = length - count
    there = joined.sum(axis=-1)
    if fusion.dates_apart:
        ratio = jnp.full(there.shape, mask.ratio)
    else:
        dates_there = sum(available[name].any(axis=-1).sum(axis=-1) for name in names)
        ratio = 1 - (1 - mask.ratio) / jnp.maximum(dates_there, 1).astype(jnp.float32) ** mask.scale
    fewer = jnp.maximum(jnp.round(ratio * there).astype(there.dtype), there - kept)
    counts = jnp.where(there == length, count, fewer)
    # Noise lies in [0, 1): structured tokens come first, missing ones last.
    priority = jnp.where(joined, noise - structured, 2)
    rank = jnp.argsort(jnp.argsort(priority, axis=-1), axis=-1)
    return SequenceMask.of(rank < counts[:, None], joined, kept)


def _draw_structure(
    keys: jax.Array, fusion: Fusion, mask: Mask, sequence: str, available: dict[str, jax.Array], joined: jax.Array
) -> jax.Array:
    """Draws structured tokens `[B, N]`; where all of a sample's would be structured, again."""
    names = fusion.sequences[sequence]
    several = jnp.stack([available[name].any(axis=(1, 2)) for name in names]).sum(axis=0) > 1

    def draw(attempt: jax.Array) -> jax.Array:
        drawn = {}
        for name in names:
            of_attempt = _fold(_fold(keys, _number(name)), attempt)
            drawn[name] = _input_structure(of_attempt, fusion.inputs[name], mask, several)
        return jnp.concatenate([array.reshape(array.shape[0], -1) for array in drawn.values()], axis=1)

    def undecided(structured: jax.Array) -> jax.Array:
        return (structured | ~joined).all(axis=-1) & joined.any(axis=-1)

    def again(carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        attempt, structured = carry
        return attempt + 1, jnp.where(undecided(structured)[:, None], draw(attempt), structured)

    first = (jnp.asarray(1), draw(jnp.asarray(0)))
    return jax.lax.while_loop(lambda carry: undecided(carry[1]).any(), again, first)[1]


def _input_structure(keys: jax.Array, model_input: Input, mask: Mask, several: jax.Array) -> jax.Array:
    """Draws the union of dropped input, band groups, dates and positions: bool `[B, G·D, L]`."""
    batch, groups, dates, length = several.shape[0], len(model_input.bands), model_input.num_dates, model_input.grid**2
    always = jnp.ones((1, 1, 1, 1), bool)
    structures = [
        ("mod", (batch, 1, 1, 1), mask.mod, several[:, None, None, None]),
        ("bands", (batch, groups, 1, 1), mask.bands if groups > 1 else 0.0, always),
        ("dates", (batch, 1, dates, 1), mask.dates if dates > 1 else 0.0, always),
        ("loc", (batch, 1, 1, length), mask.loc, always),
    ]
    union = jnp.zeros((batch, groups, dates, length), bool)
    for name, shape, probability, applies in structures:
        if probability:
            union |= (_uniform(keys, (name,), shape) < probability) & applies
    return union.reshape(batch, groups * dates, length)


def _uniform(keys: jax.Array, names: tuple[str, ...], shape: tuple[int, ...]) -> jax.Array:
    """Draws U(0, 1) of `shape`, the rows of its leading axis by one of the keys each."""
    for name in names:
        keys = _fold(keys, _number(name))
    return jax.vmap(lambda key: jax.random.uniform(key, shape[1:]))(keys)


def _fold(keys: jax.Array, number: jax.typing.ArrayLike) -> jax.Array:
    return jax.vmap(jax.random.fold_in, (0, None))(keys, number)


def _number(name: str) -> int:
    return zlib.crc32(name.encode())

"""Which tokens the pretraining objective hides (docs/method.md §5).

What is drawn and what is sorted is drawn and sorted for all inputs at once, as long as the longest: a program for each
would take longer to compile than the encoder of a small model. A number drawn does not depend on how many follow it.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import zlib

import jax
import jax.numpy as jnp
import numpy as np

from mmae_jax import parallel
from mmae_jax.models.attention.arrangement import Moves
from mmae_jax.models.fusion import Fusion
from mmae_jax.spec import Input, Mask

Arrays = dict[str, jax.Array]
STRUCTURES = ("mod", "bands", "dates", "loc")
MAX_ROWS = 2**20
"""Rows of a batch that have numbers of their own, in each of 2**12 attempts."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class SequenceMask:
    """Masking of one sequence; a missing token is neither masked nor visible.

    Attributes:
      masked: bool `[B, N]`; tokens to reconstruct.
      visible: bool `[B, N]`; tokens the encoder sees, at most K a sample.
      kept_index: int32 `[B, K]`; positions of the visible tokens in their order, then of others to fill up.
      hidden_index: int32 `[B, N - K]`; the other positions: of the masked tokens, last to first, then of others. Masks
        that are drawn have all masked tokens here.
    """

    masked: jax.Array
    visible: jax.Array
    kept_index: jax.Array
    hidden_index: jax.Array

    @property
    def kept_valid(self) -> jax.Array:
        """bool `[B, K]`; False where a sample has fewer visible tokens because some are missing."""
        return jnp.take_along_axis(self.visible, self.kept_index, axis=-1)

    def keep(self, tokens: jax.Array) -> jax.Array:
        """Returns the kept tokens `[B, K, E]` of `[B, N, E]`, 0 where a sample has fewer."""
        return self._to_kept()(tokens)

    def restore(self, kept: jax.Array, mask_tokens: jax.Array) -> jax.Array:
        """Puts kept tokens `[B, K, E]` back at their positions among `mask_tokens` `[B, N, E]`."""
        return jnp.where(self.visible[..., None], self._to_kept().inverse(kept), mask_tokens)

    def to_hidden(self) -> Moves:
        """Returns the moves of the masked tokens from `[B, N]` to `[B, N - K]`, those of samples with fewer first."""
        length, hidden = self.masked.shape[-1], self.hidden_index.shape[-1]
        hidden_masked = jnp.take_along_axis(self.masked, self.hidden_index, axis=-1)
        after = jnp.flip(jnp.cumsum(jnp.flip(self.masked, axis=-1), axis=-1, dtype=jnp.int32), axis=-1) - 1
        return Moves(jnp.where(hidden_masked, self.hidden_index, length), jnp.where(self.masked, after, hidden))

    def _to_kept(self) -> Moves:
        length, kept = self.visible.shape[-1], self.kept_index.shape[-1]
        before = jnp.cumsum(self.visible, axis=-1, dtype=jnp.int32) - 1
        return Moves(jnp.where(self.kept_valid, self.kept_index, length), jnp.where(self.visible, before, kept))


def sequence_masks(masked: Arrays, available: Arrays, kept: dict[str, int]) -> dict[str, SequenceMask]:
    """Keeps the tokens of each sequence that are `available` and not `masked` (both bool `[B, N]`), at most `kept`."""
    visible = {key: there & ~masked[key] for key, there in available.items()}
    hidden = {key: there & masked[key] for key, there in available.items()}
    # The visible ones first, the masked ones last.
    orders = _order({key: 1.0 - visible[key] + hidden[key] for key in available})
    masks = {}
    for key, order in orders.items():
        first, others = jnp.split(order.astype(jnp.int32), [kept[key]], axis=1)
        masks[key] = SequenceMask(hidden[key], visible[key], first, jnp.flip(others, axis=1))
    return masks


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


def draw_masks(key: jax.Array, fusion: Fusion, mask: Mask, available: Arrays) -> dict[str, SequenceMask]:
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
    rows = jnp.arange(next(iter(available.values())).shape[0])
    keys = jnp.broadcast_to(key, rows.shape)
    draw = functools.partial(_draw_rows, fusion=fusion, mask=mask)
    return parallel.by_rows(draw, keys, rows, available)


def _draw_rows(
    keys: jax.Array, rows: jax.Array, available: Arrays, fusion: Fusion, mask: Mask
) -> dict[str, SequenceMask]:
    """Draws the masks of samples by the step's key and their positions in the batch, both `[B]`."""
    joined = fusion.join(available)
    priority = _draw_priority(keys, rows, fusion, mask, available, joined)
    counts, kept = {}, {}
    for key, there in joined.items():
        counts[key], kept[key] = _counts(fusion, mask, key, available, there)
    return sequence_masks(_first(priority, counts), joined, kept)


def _counts(fusion: Fusion, mask: Mask, sequence: str, available: Arrays, joined: jax.Array) -> tuple[jax.Array, int]:
    """Returns how many tokens of a sequence are masked, int `[B]`, and how many are kept where all are there."""
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
    return jnp.where(there == length, count, fewer), kept


def _first(priority: Arrays, counts: Arrays) -> Arrays:
    """Returns which tokens are among the first `counts` (`[B]`) of their row by priority, bool `[B, N]`."""
    first = {}
    for key, order in _order(priority).items():
        last = jnp.take_along_axis(order, jnp.maximum(counts[key] - 1, 0)[:, None], axis=-1)
        bound = jnp.take_along_axis(priority[key], last, axis=-1)
        before = (priority[key] == bound) & (jnp.arange(order.shape[-1])[None] <= last)
        first[key] = ((priority[key] < bound) | before) & (counts[key] > 0)[:, None]
    return first


def _order(priority: Arrays) -> Arrays:
    """Returns the positions of the tokens of each row `[B, N]` by ascending priority, equal ones as they stand."""
    longest = max(array.shape[-1] for array in priority.values())
    rows = [
        jnp.pad(array, ((0, 0), (0, longest - array.shape[-1])), constant_values=jnp.inf) for array in priority.values()
    ]
    ends = np.cumsum([array.shape[0] for array in rows])[:-1]
    orders = jnp.split(jnp.argsort(jnp.concatenate(rows), axis=-1, stable=True), ends)
    return {key: order[:, : array.shape[-1]] for (key, array), order in zip(priority.items(), orders, strict=True)}


def _draw_priority(
    keys: jax.Array, rows: jax.Array, fusion: Fusion, mask: Mask, available: Arrays, joined: Arrays
) -> Arrays:
    """Draws in which order tokens are masked, by sequence `[B, N]`.

    Structured tokens are below 0, the others in [0, 1), missing ones at 2. Where all of a sample's would be structured,
    it is drawn again.
    """
    kinds = ("noise",) if fusion.dates_apart else ("noise", *STRUCTURES)
    numbers = np.array([[zlib.crc32(f"{name}/{kind}".encode()) for kind in kinds] for name in available], np.uint32)
    longest = max(math.prod(array.shape[1:]) for array in available.values())
    several = {
        name: jnp.stack([available[other].any(axis=(1, 2)) for other in names]).sum(axis=0) > 1
        for names in fusion.sequences.values()
        for name in names
    }

    def draw(attempt: jax.typing.ArrayLike) -> Arrays:
        of_rows = jax.vmap(jax.random.fold_in)(keys, rows + attempt * MAX_ROWS)
        drawn = jax.vmap(lambda key: _uniform(key, numbers, longest))(of_rows)
        priority = {}
        for index, (name, array) in enumerate(available.items()):
            priority[name] = drawn[:, index, 0, : math.prod(array.shape[1:])].reshape(array.shape)
            if not fusion.dates_apart:
                priority[name] -= _union(drawn[:, index, 1:], fusion.inputs[name], mask, several[name])
        return fusion.join(priority)

    def undecided(key: str, priority: jax.Array) -> jax.Array:
        return ((priority < 0) | ~joined[key]).all(axis=-1) & joined[key].any(axis=-1)

    def again(carry: tuple[jax.Array, Arrays]) -> tuple[jax.Array, Arrays]:
        attempt, before = carry
        drawn = draw(attempt)
        return attempt + 1, {
            key: jnp.where(undecided(key, priority)[:, None], drawn[key], priority) for key, priority in before.items()
        }

    def unfinished(carry: tuple[jax.Array, Arrays]) -> jax.Array:
        return jnp.concatenate([undecided(key, priority) for key, priority in carry[1].items()]).any()

    if fusion.dates_apart:
        priority = draw(0)
    else:
        start = {key: jnp.where(there, -1.0, 2.0) for key, there in joined.items()}
        _, priority = jax.lax.while_loop(unfinished, again, (jnp.asarray(0), start))
    return {key: jnp.where(there, priority[key], 2.0) for key, there in joined.items()}


def _union(drawn: jax.Array, model_input: Input, mask: Mask, several: jax.Array) -> jax.Array:
    """Returns the union of dropped input, band groups, dates and positions, bool `[B, G·D, L]`.

    Args:
      drawn: U(0, 1) of each of the `STRUCTURES`, `[B, 4, at least as many as there are]`.
      model_input: the input.
      mask: their probabilities.
      several: bool `[B]`, whether the input is one of several in its sequence.
    """
    batch, groups, dates, length = len(several), len(model_input.bands), model_input.num_dates, model_input.grid**2
    union = (drawn[:, 0, :1, None, None] < mask.mod) & several[:, None, None, None]
    if groups > 1:
        union |= drawn[:, 1, :groups, None, None] < mask.bands
    if dates > 1:
        union |= drawn[:, 2, None, :dates, None] < mask.dates
    union |= drawn[:, 3, None, None, :length] < mask.loc
    return jnp.broadcast_to(union, (batch, groups, dates, length)).reshape(batch, groups * dates, length)


def _uniform(key: jax.Array, numbers: np.ndarray, count: int) -> jax.Array:
    """Draws U(0, 1) by a key and numbers: `[numbers..., count]`."""
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, numbers.ravel())
    drawn = jax.vmap(lambda key: jax.random.uniform(key, (count,)))(keys)
    return drawn.reshape(*numbers.shape, count)

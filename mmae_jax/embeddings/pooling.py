"""From the encoded tokens of a sample to its vectors: one for the tile or one for each patch; by sensor or date."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from mmae_jax.models.heads import on_grid
from mmae_jax.models.model import Model
from mmae_jax.models.samples import Samples
from mmae_jax.spec import Experiment, SpecError

if TYPE_CHECKING:
    from mmae_jax.pretrained import Pretrained


@dataclasses.dataclass(frozen=True)
class Pooling:
    """Which tokens are averaged, or of which the largest numbers are taken.

    Attributes:
      per: `tile`: all tokens of a sample; `patch`: those at each position of the reference input's grid, to which those
        of the other inputs are resized as for heads (docs/method.md §8).
      pool: `mean`: tokens of all sensors and dates; `max`: of these, the largest number of each channel; `sensor`: the
        mean of each input; `date`: that of each date bin of each input.
    """

    per: str = "tile"
    pool: str = "mean"

    def parts(self, experiment: Experiment) -> tuple[str, ...]:
        """Returns the names of the P parts of a vector, each of the encoder's width: `mean`, `max`, `s2`, or `s2.0`."""
        if self.pool in ("mean", "max"):
            return (self.pool,)
        if self.pool == "sensor":
            return tuple(experiment.inputs)
        return tuple(f"{name}.{date}" for name, one in experiment.inputs.items() for date in range(one.num_dates))

    def width(self, model: Pretrained) -> int:
        """Returns the numbers of a part."""
        return model.width

    def grid(self, experiment: Experiment) -> int:
        """Returns the vectors per side of a sample: the reference input's patches, or 1."""
        return experiment.inputs[reference(experiment)].grid if self.per == "patch" else 1

    def __call__(self, model: Model, samples: Samples) -> jax.Array:
        """Returns float32 `[B, g, g, P, E]`; NaN where a part is not there, or no pixel of a patch was seen.

        Args:
          model: its encoder is what counts.
          samples: B samples.

        Raises:
          SpecError: the encoder has no token for each date, which `pool` asks for.
        """
        features, available = model.encoder.features(samples), model.encoder.available(samples)
        grid = self.grid(model.experiment)
        totals, counts, seen = [], [], []
        for name, one in model.experiment.inputs.items():
            runs = one.num_dates if self.pool == "date" else 1
            total, count = _sums(features[name], available[name], runs, name)
            if self.per == "patch":
                # a date is there at all positions or at none
                totals.append(on_grid(total, grid))
                counts.append(count[:, :, :1])
                dates = _seen(samples, name, one.patch_size, grid)
                seen.append(dates if self.pool == "date" else dates.any(axis=1, keepdims=True))
            else:
                totals.append(total.sum(axis=2, keepdims=True))
                counts.append(count.sum(axis=2, keepdims=True))
                seen.append(counts[-1] > 0)
        if self.pool == "mean":
            totals, counts = [sum(totals[1:], totals[0])], [sum(counts[1:], counts[0])]
            seen = [functools.reduce(jnp.logical_or, seen)]
        if self.pool == "max":
            every = [self._largest(features[name], available[name], grid) for name in model.experiment.inputs]
            totals, counts = (
                [functools.reduce(jnp.maximum, every)],
                [(sum(counts[1:], counts[0]) > 0).astype(jnp.float32)],
            )
            seen = [functools.reduce(jnp.logical_or, seen)]
        total, count, known = (jnp.concatenate(arrays, axis=1) for arrays in (totals, counts, seen))
        known = (known & (count > 0))[..., None]
        vectors = jnp.where(known, total / jnp.maximum(count, 1)[..., None], jnp.nan)
        return vectors.transpose(0, 2, 1, 3).reshape(len(vectors), grid, grid, *vectors.shape[1::2])

    def _largest(self, features: jax.Array, available: jax.Array, grid: int) -> jax.Array:
        """Returns float32 `[B, 1, g² or 1, E]` of the tokens `[B, T, L, E]` that are there; −∞ of none."""
        kept = jnp.where(available[..., None], features.astype(jnp.float32), 0)
        if self.per == "patch":
            kept, available = on_grid(kept, grid), available[:, :, :1]
        axes = 1 if self.per == "patch" else (1, 2)
        return jnp.where(available[..., None], kept, -jnp.inf).max(axis=axes, keepdims=True)


def reference(experiment: Experiment) -> str:
    """Returns the input on whose grid patches lie: that of the heads, or the first with the most patches."""
    if experiment.model.ref_input is not None:
        return experiment.model.ref_input
    return max(experiment.inputs, key=lambda name: experiment.inputs[name].grid)


def _sums(features: jax.Array, available: jax.Array, runs: int, name: str) -> tuple[jax.Array, jax.Array]:
    """Returns float32 sums `[B, runs, L, E]` of the tokens `[B, T, L, E]` that are there, and their numbers.

    Tokens of a date lie `runs` apart (docs/method.md §3).
    """
    batch, tokens, length, width = features.shape
    if tokens % runs:
        raise SpecError(f"--pool=date: expected tokens of {runs} dates of {name} from the encoder, found {tokens}")
    there = available[..., None]
    # what is not there may be no number, and would stay none times 0
    kept = jnp.where(there, features.astype(jnp.float32), 0)
    total = kept.reshape(batch, -1, runs, length, width).sum(axis=1)
    return total, available.astype(jnp.float32).reshape(batch, -1, runs, length).sum(axis=1)


def _seen(samples: Samples, name: str, patch: int, grid: int) -> jax.Array:
    """Returns bool `[B, D, grid²]`: was any pixel of an input's patch, or of the patch at that place, observed?"""
    valid = samples.pixels_valid[name]
    batch, dates, side, _ = valid.shape
    if side > 1:
        own = side // patch
        # where patches are finer than the grid, all of those in a place
        finer = own // grid if own % grid == 0 else 1
        parts = own // finer
        pixels = side // parts
        valid = valid.reshape(batch, dates, parts, pixels, parts, pixels).any(axis=(3, 5))
    at = np.arange(grid) * valid.shape[-1] // grid
    return valid[:, :, at[:, None], at].reshape(batch, dates, -1)

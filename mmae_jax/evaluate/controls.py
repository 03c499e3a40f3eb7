"""What a model is held against: statistics of bands, and what is most frequent."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mmae_jax.embeddings.pooling import Pooling
from mmae_jax.evaluate.protocols import Fitted, Labelled, Protocol
from mmae_jax.models.model import Model
from mmae_jax.models.samples import Samples
from mmae_jax.pretrained import Pretrained
from mmae_jax.spec import Experiment, SpecError, Target

SMALLEST_SHARE = 1e-6


@dataclasses.dataclass(frozen=True)
class BandStatistics(Pooling):
    """Mean and standard deviation of each band of each date of each input, as vectors of a sample or of its patches.

    They are those of the values that a model sees, of valid pixels, at `image_size`; NaN where there are none.
    """

    pool: str = "band_statistics"

    def parts(self, experiment: Experiment) -> tuple[str, ...]:
        """Returns one part: all statistics."""
        return ("bands",)

    def width(self, model: Pretrained) -> int:
        """Returns two numbers for each band of each date."""
        return sum(2 * one.num_dates * len(one.band_names) for one in model.experiment.inputs.values())

    def __call__(self, model: Model, samples: Samples) -> jax.Array:
        """Returns float32 `[B, g, g, 1, E]`."""
        grid = self.grid(model.experiment)
        found = [
            _statistics(samples.pixels[name], samples.pixels_valid[name], grid) for name in model.experiment.inputs
        ]
        return jnp.concatenate(found, axis=-1)[:, :, :, None]


def _statistics(pixels: jax.Array, valid: jax.Array, grid: int) -> jax.Array:
    """Returns `[B, g, g, D · C · 2]` of `pixels` `[B, D, C, H, W]`.

    Of an image with fewer pixels than the grid has places, several places have the statistics of one pixel.
    """
    batch, dates, bands, side, _ = pixels.shape
    own = np.gcd(side, grid)
    parts = (batch, dates, bands, own, side // own, own, side // own)
    values = pixels.reshape(parts)
    there = jnp.broadcast_to(valid[:, :, None], pixels.shape).reshape(parts)
    count = there.sum(axis=(4, 6))
    mean = jnp.where(there, values, 0).sum(axis=(4, 6)) / jnp.maximum(count, 1)
    deviation = jnp.where(there, jnp.square(values - mean[:, :, :, :, None, :, None]), 0).sum(axis=(4, 6))
    deviation = jnp.sqrt(deviation / jnp.maximum(count, 1))
    both = jnp.where(count[None] > 0, jnp.stack([mean, deviation]), jnp.nan)
    both = both.repeat(grid // own, axis=4).repeat(grid // own, axis=5)
    return both.transpose(1, 4, 5, 2, 3, 0).reshape(batch, grid, grid, -1)


@dataclasses.dataclass(frozen=True)
class _Constant:
    """The same outputs everywhere.

    Attributes:
      values: float32 `[outputs]`.
      pixels: pixels per side of a raster; None where a tile has one value.
      chosen: nothing.
      reached: nothing.
    """

    values: np.ndarray
    pixels: int | None
    chosen: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    reached: float | None = None

    def outputs(self, vectors: np.ndarray) -> np.ndarray:
        """Returns them for each sample."""
        places = (len(vectors),) if self.pixels is None else (len(vectors), self.pixels, self.pixels)
        return np.broadcast_to(self.values, (*places, len(self.values)))


class Majority(Protocol):
    """Says of every place what is most frequent: the shares of classes as probabilities, or the mean of numbers."""

    name = "majority"

    def fit(self, target: Target, train: Labelled, val: Labelled, seed: int) -> Fitted:
        """Counts the training samples; raises a `SpecError` where none has a target."""
        there = train.targets[train.counted]
        if not len(there):
            raise SpecError(f"{target.field}: expected samples with a value to learn from, found none")
        pixels = train.targets.shape[1] if target.is_raster else None
        if not target.classes:
            return _Constant(np.array([there.mean(dtype=np.float64)], np.float32), pixels)
        if target.kind == "multilabel":
            share = np.clip((there == 1).mean(axis=0), SMALLEST_SHARE, 1 - SMALLEST_SHARE)
            return _Constant(np.log(share / (1 - share)).astype(np.float32), pixels)
        share = np.bincount(there.astype(np.int64), minlength=target.num_classes) / len(there)
        return _Constant(np.log(np.maximum(share, SMALLEST_SHARE)).astype(np.float32), pixels)

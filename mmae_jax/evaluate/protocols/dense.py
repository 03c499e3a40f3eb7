"""`dense`: pixels from the vectors of their patches, by a linear map alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mmae_jax import tasks
from mmae_jax.evaluate.protocols.descent import Descent, Places, Samples, Unit, cosine_by_epoch, warm_cosine
from mmae_jax.evaluate.protocols.logistic import Linear
from mmae_jax.evaluate.protocols.probe import RATES
from mmae_jax.evaluate.protocols.protocol import Fitted, Labelled, Protocol
from mmae_jax.evaluate.protocols.rows import pixels_per_patch
from mmae_jax.models.resize import resize
from mmae_jax.spec import SpecError, Target

CHUNK = 64
"""Samples whose pixels are worked on at once."""


@dataclasses.dataclass(frozen=True)
class EachPixel:
    """Patches that give `pixels² · outputs` each, ordered as those of heads, as pixels."""

    pixels: int

    def __call__(self, outputs: jax.Array) -> jax.Array:
        """Returns `[N, h, w, outputs]`."""
        number, grid, _, width = outputs.shape
        parts = outputs.reshape(number, grid, grid, self.pixels, self.pixels, width // self.pixels**2)
        return parts.transpose(0, 1, 3, 2, 4, 5).reshape(number, grid * self.pixels, grid * self.pixels, -1)


@dataclasses.dataclass(frozen=True)
class BetweenPatches:
    """Patches that give `outputs` each, resized to pixels."""

    pixels: int

    def __call__(self, outputs: jax.Array) -> jax.Array:
        """Returns `[N, h, w, outputs]`."""
        return resize(outputs, outputs.shape[1] * self.pixels, "bilinear", axes=(1, 2))


HEADS: Mapping[str, Callable[[int], Places]] = {"linear": EachPixel, "1x1": BetweenPatches}


@dataclasses.dataclass(frozen=True)
class Dense(Protocol):
    """One linear map of the vector of a patch.

    Attributes:
      head: `linear`: to the outputs of all its pixels. `1x1`: to one set of outputs, resized to pixels.
      descent: how it is learnt; of several rates that with the best score on val, the first of those that are as good.
      pools: see `Protocol`.
    """

    name = "dense"
    per = "patch"
    needs_raster = True
    head: str
    descent: Descent
    pools: tuple[str, ...] = ("mean",)

    def fit(self, target: Target, train: Labelled, val: Labelled, seed: int) -> Fitted:
        """Learns at each rate."""
        if not target.is_raster:
            raise SpecError(f"--protocol=dense: expected a target with a value for each pixel, found {target.field}")
        if not train.counted.any():
            raise SpecError(f"{target.field}: expected samples with a value to learn from, found none")
        pixels, outputs = pixels_per_patch(train), target.num_classes or 1
        places = HEADS[self.head](pixels)
        unit = Unit.of(target, train.targets, train.counted)
        samples = Samples(train.vectors, unit.scaled(train.targets, train.counted), train.counted)
        width = outputs * pixels**2 if self.head == "linear" else outputs
        maps = [unit.back(found) for found in self.descent.fit(target, samples, places, width, seed)]
        found = [
            FittedPixels({"head": self.head, "rate": rate}, one, places)
            for rate, one in zip(self.descent.rates, maps, strict=True)
        ]
        if len(found) == 1:
            return found[0]
        reached = np.nan_to_num([_score(target, one, val) for one in found], nan=-np.inf)
        best = int(np.argmax(reached))
        return dataclasses.replace(found[best], reached=float(reached[best]))


@dataclasses.dataclass(frozen=True)
class FittedPixels:
    """What was learnt of patches.

    Attributes:
      chosen: what was chosen.
      linear: the map of a vector.
      places: from what it gives to pixels.
      reached: the score on val, see `Fitted`.
    """

    chosen: Mapping[str, Any]
    linear: Linear
    places: Places
    reached: float | None = None

    def outputs(self, vectors: np.ndarray) -> np.ndarray:
        """Returns the outputs at all pixels, see `Fitted`."""
        return np.asarray(self.places(jnp.asarray(self.linear(vectors))), np.float32)


def _score(target: Target, fitted: FittedPixels, val: Labelled) -> float:
    """Returns the mean intersection over union of classes, or the explained variance of numbers."""
    task = tasks.of(target)
    summaries = []
    for start in range(0, len(val.vectors), CHUNK):
        part = slice(start, start + CHUNK)
        predicted = jnp.asarray(fitted.outputs(val.vectors[part]))
        found = task.summarise(target, predicted, jnp.asarray(val.targets[part]), jnp.asarray(val.counted[part]))
        summaries.append({name: np.asarray(array) for name, array in found.items()})
    return task.scores(task.joined(target, summaries)).overall["average_iou" if target.classes else "r2"]


TORCHGEO_BENCH = Dense("1x1", Descent((1e-3,), 10, 64, cosine_by_epoch))
OLMOEARTH = Dense("linear", Descent(RATES, 50, 32, warm_cosine, weight_decay=0.01, normalised=False), ("mean", "max"))

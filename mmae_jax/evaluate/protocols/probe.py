"""`linear` by OlmoEarth: a batch normalisation and a linear map, learnt in 50 epochs at 8 learning rates."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np

from mmae_jax.evaluate.protocols.descent import Descent, Samples, Unit, warm_cosine
from mmae_jax.evaluate.protocols.protocol import Fitted, Labelled, Protocol
from mmae_jax.evaluate.protocols.rows import FittedRows, pixels_per_patch, quality, rows_of
from mmae_jax.spec import Target

RATES = (1e-4, 5e-4, 1e-3, 5e-3, 1e-2, 5e-2, 1e-1, 5e-1)


DESCENT = Descent(RATES, 50, 32, warm_cosine, weight_decay=0.01, together=len(RATES))


def same(outputs: jax.Array) -> jax.Array:
    """Returns the outputs: rows are places."""
    return outputs


@dataclasses.dataclass(frozen=True)
class Probe(Protocol):
    """The learning rate with the best score on val, the first of those that are as good; learnt from train alone.

    The loss is the cross-entropy, or of numbers, in units of their deviation, the squared error.
    """

    name = "linear"
    pools = ("mean", "max")
    descent: Descent = DESCENT

    def fit(self, target: Target, train: Labelled, val: Labelled, seed: int) -> Fitted:
        """Learns at each rate."""
        rows, chooses = rows_of(target, train, seed), rows_of(target, val, seed)
        counted = np.ones(len(rows.targets), bool)
        unit = Unit.of(target, rows.targets, counted)
        samples = Samples(rows.vectors, unit.scaled(rows.targets, counted), counted)
        maps = [unit.back(found) for found in self.descent.fit(target, samples, same, target.num_classes or 1, seed)]
        reached = [quality(target, found(chooses.vectors), chooses.targets) for found in maps]
        best = int(np.argmax(reached))
        chosen = {"rate": self.descent.rates[best]}
        pixels = pixels_per_patch(train) if target.is_raster else None
        return FittedRows(chosen, maps[best], pixels, reached[best])

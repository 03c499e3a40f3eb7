"""`linear` by torchgeo-bench: logistic regression, or ridge regression of numbers, its strength chosen on val."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy.special import log_softmax

from mmae_jax.evaluate.protocols.knn import LEAST_SHARE
from mmae_jax.evaluate.protocols.logistic import Linear, Logistic, Turned
from mmae_jax.evaluate.protocols.protocol import Fitted, Labelled, Protocol
from mmae_jax.evaluate.protocols.rows import FittedRows, Rows, pixels_per_patch, quality, rows_of
from mmae_jax.spec import Target

STRENGTHS = tuple(np.logspace(-6, 4, 40).tolist())
"""Values of C, the weakest first; of ridge regression, alpha = 1 / C."""

Predict = Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Regularised(Protocol):
    """The strength with the best score on val, the first of those that are as good; then learnt from train and val.

    The score is the accuracy, micro average precision where classes do not exclude each other, or the squared error.
    Vectors are not standardised.
    """

    name = "linear"
    strengths: tuple[float, ...] = STRENGTHS

    def fit(self, target: Target, train: Labelled, val: Labelled, seed: int) -> Fitted:
        """Tries all strengths."""
        rows, chooses = rows_of(target, train, seed), rows_of(target, val, seed)
        best, chosen = -np.inf, self.strengths[0]
        for strength, predict in zip(self.strengths, _fits(target, rows, self.strengths), strict=True):
            reached = quality(target, predict(chooses.vectors), chooses.targets)
            if reached > best:
                best, chosen = reached, strength
        both = Rows(*(np.concatenate(arrays) for arrays in zip(rows, chooses, strict=True)))
        predict = next(_fits(target, both, (chosen,)))
        told: dict[str, Any] = {"C": chosen} if target.classes else {"alpha": 1 / chosen}
        return FittedRows(told, predict, pixels_per_patch(train) if target.is_raster else None, best)


def _fits(target: Target, rows: Rows, strengths: tuple[float, ...]) -> Iterator[Predict]:
    """Yields what was learnt with each strength."""
    if not target.classes:
        yield from _ridge(rows, strengths)
        return
    if target.kind == "multilabel":
        logistic = Logistic(rows.vectors, rows.targets)
        yield from (logistic.fit(strength) for strength in strengths)
        return
    present = np.unique(rows.targets)
    logistic = Logistic(rows.vectors, rows.targets[:, None] == present[None])
    for strength in strengths:
        linear = logistic.fit(strength)

        def predict(vectors: np.ndarray, linear: Linear = linear) -> np.ndarray:
            outputs = np.full((len(vectors), target.num_classes), np.log(LEAST_SHARE), np.float32)
            outputs[:, present] = log_softmax(linear(vectors), axis=1)
            return outputs

        yield predict


def _ridge(rows: Rows, strengths: tuple[float, ...]) -> Iterator[Predict]:
    """Yields the minima of the summed squared errors + |weights|² / C: on principal axes, each weight by itself."""
    turned, mean = Turned(rows.vectors), rows.targets.mean(dtype=np.float64)
    along = turned.vectors.T @ (rows.targets - mean)
    for strength in strengths:
        weight = along / (turned.spread * len(rows.targets) + 1 / strength)
        yield turned.back(weight[:, None], np.array([mean]))

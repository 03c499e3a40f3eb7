"""One row per place that is learnt: tiles, or the patches of rasters; and from outputs of rows back to places."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from mmae_jax.evaluate.protocols.protocol import Labelled
from mmae_jax.spec import SpecError, Target

MOST_PATCHES = 20_000
"""Patches of rasters from which is learnt, and on which is chosen: neighbours and solvers see no more."""


class Rows(NamedTuple):
    """What is learnt from.

    Attributes:
      vectors: float32 `[M, C]`.
      targets: classes int `[M]`, 0 or 1 of each class int `[M, K]`, or numbers float32 `[M]`.
    """

    vectors: np.ndarray
    targets: np.ndarray


def rows_of(target: Target, labelled: Labelled, seed: int) -> Rows:
    """Returns the places that have a target.

    A patch of a raster has the class of most of its pixels that count, the first of those that are as many, or the mean
    of their numbers. Of more than `MOST_PATCHES` patches some are drawn.

    Raises:
      SpecError: no place has a target.
    """
    vectors, targets, counted = labelled.vectors, labelled.targets, labelled.counted
    if target.is_raster:
        targets, counted = _by_patch(target, labelled)
    found = np.flatnonzero(counted)
    if not len(found):
        raise SpecError(f"{target.field}: expected samples with a value to learn from, found none")
    if target.is_raster and len(found) > MOST_PATCHES:
        found = np.sort(np.random.default_rng(seed).choice(found, MOST_PATCHES, replace=False))
    rows = vectors.reshape(-1, vectors.shape[-1])[found]
    return Rows(rows, targets.reshape(counted.size, *targets.shape[counted.ndim :])[found])


def pixels_per_patch(labelled: Labelled) -> int:
    """Returns the pixels per side of a patch.

    Raises:
      SpecError: patches do not fill the raster.
    """
    grid, side = labelled.vectors.shape[1], labelled.targets.shape[1]
    if side % grid:
        raise SpecError(f"patch vectors: expected a grid that divides the target's {side} pixels, found {grid}")
    return side // grid


def _by_patch(target: Target, labelled: Labelled) -> tuple[np.ndarray, np.ndarray]:
    """Returns the value of each patch, and whether it has one, `[N, g, g]`."""
    pixels = pixels_per_patch(labelled)
    number, side, _ = labelled.targets.shape
    parts = (number, side // pixels, pixels, side // pixels, pixels)
    values, counted = labelled.targets.reshape(parts), labelled.counted.reshape(parts)
    count = counted.sum(axis=(2, 4))
    if not target.classes:
        total = np.where(counted, values, 0).astype(np.float64).sum(axis=(2, 4))
        return (total / np.maximum(count, 1)).astype(np.float32), count > 0
    votes = [((values == index) & counted).sum(axis=(2, 4)) for index in range(target.num_classes)]
    return np.argmax(votes, axis=0), count > 0


def quality(target: Target, outputs: np.ndarray, targets: np.ndarray) -> float:
    """Returns how well outputs `[M, outputs]` agree with the targets of rows; more is better.

    That is the accuracy; micro average precision where classes do not exclude each other; of numbers, the negative mean
    squared error.
    """
    if not target.classes:
        return -float(np.square(outputs[:, 0].astype(np.float64) - targets).mean())
    if target.kind == "multilabel":
        from sklearn.metrics import average_precision_score  # a second to import

        return float(average_precision_score(targets, outputs, average="micro")) if targets.any() else 0.0
    return float((outputs.argmax(axis=1) == targets).mean())


@dataclasses.dataclass(frozen=True)
class FittedRows:
    """What was learnt from rows.

    Attributes:
      chosen: what was chosen.
      predict: from float32 `[M, C]` to float32 `[M, outputs]`.
      pixels: pixels per side of a patch, each with the outputs of its patch; None where a tile has one value.
      reached: the score on val, see `Fitted`.
    """

    chosen: Mapping[str, Any]
    predict: Callable[[np.ndarray], np.ndarray]
    pixels: int | None
    reached: float | None = None

    def outputs(self, vectors: np.ndarray) -> np.ndarray:
        """Returns the outputs at all places, see `Fitted`."""
        found = self.predict(vectors.reshape(-1, vectors.shape[-1]))
        found = found.astype(np.float32).reshape(*vectors.shape[:-1], -1)
        return found if self.pixels is None else found.repeat(self.pixels, axis=1).repeat(self.pixels, axis=2)

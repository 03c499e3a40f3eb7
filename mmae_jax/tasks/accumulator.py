"""Summaries of batches on the device, accumulated and scored on the host (docs/method.md §8).

`summarise` runs inside jit and keeps what the scores need. Summaries add up: `Accumulator.update` takes those of
batches and those of other accumulators (other hosts) alike, so every sample counts once however the data are split.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from mmae_jax import tasks
from mmae_jax.metrics import Scores, Summary
from mmae_jax.spec import Target


def summarise(target: Target, predicted: jax.Array, targets: jax.Array, weight: jax.Array) -> Summary:
    """Returns what the scores of a batch need; usable inside jit.

    Args:
      target: what is predicted.
      predicted: float `[B, outputs]`, or `[B, h, w, outputs]` where the target is a raster.
      targets: the targets of a batch.
      weight: float `[B]`, 0 for the padding of a batch.
    """
    task = tasks.of(target)
    return task.summarise(target, predicted, targets, task.counted(target, targets, weight))


class Accumulator:
    """Adds up the summaries of one target on the host.

    Hosts that saw different samples merge by `accumulator.update(other.summary())`; summaries hold plain arrays.
    """

    def __init__(self, target: Target) -> None:
        self._target, self._task = target, tasks.of(target)
        self._summaries: list[Summary] = []

    def update(self, summary: Mapping[str, Any]) -> None:
        """Adds a summary of `summarise` or of another accumulator; waits for the device.

        Args:
          summary: every array must be readable on this host: replicated, where several hosts hold parts of a batch.
        """
        self._summaries.append({name: np.asarray(array) for name, array in summary.items()})
        if self._task.adds_up:  # memory stays as it is, however many batches there are
            self._summaries = [self.summary()]

    def summary(self) -> Summary:
        """Returns everything added so far, in the form that `update` takes (without padding)."""
        return self._task.joined(self._target, self._summaries)

    def result(self) -> Scores:
        """Returns the scores of everything added so far."""
        return self._task.scores(self.summary())

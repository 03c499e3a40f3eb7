"""What was seen of a square: which share of its dates, of each input and pixel."""

from __future__ import annotations

import numpy as np

from mmae_jax.data.batch import Batch
from mmae_jax.spec import Experiment


def observed(batch: Batch, experiment: Experiment, side: int) -> np.ndarray:
    """Returns the percentage of dates at which a pixel was observed, uint8 `[B, inputs, side, side]`.

    It is 0 only where no date was; pixels of a sensor stand for those of the map at the same place.

    Args:
      batch: squares.
      experiment: names the inputs.
      side: pixels per side of the map in a square.
    """
    found = []
    for name in experiment.inputs:
        valid = np.asarray(batch["valid"][name])
        percent = np.ceil(valid.mean(axis=1) * 100).astype(np.uint8)
        rows, columns = (np.arange(side) * sensor // side for sensor in percent.shape[1:])
        found.append(percent[:, rows[:, None], columns])
    return np.stack(found, axis=1)

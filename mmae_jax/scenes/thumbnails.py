"""A small picture of a scene, put together from its squares while they are read."""

from __future__ import annotations

import itertools
import warnings

import numpy as np

from mmae_jax.data.batch import Batch
from mmae_jax.report.display import display_bands, limits, to_image
from mmae_jax.scenes.tiling import Tiling
from mmae_jax.spec import Experiment

LONGEST = 1000
"""Pixels of the longer side of the picture of a large scene."""


def shown_input(experiment: Experiment) -> str:
    """Returns the input of which there is a picture: that on whose grid maps are predicted, else the first."""
    return experiment.model.ref_input or next(iter(experiment.inputs))


def thumbnails(batch: Batch, experiment: Experiment, tiling: Tiling) -> np.ndarray:
    """Returns squares in the bands that are shown, the median of their dates, float32 `[B, C, side, side]`.

    Args:
      batch: squares.
      experiment: names bands and dates.
      tiling: tells how small they have to be. What was not observed is NaN.
    """
    name = shown_input(experiment)
    pixels = np.asarray(batch["inputs"][name])[:, :, display_bands(experiment.inputs[name].band_names)]
    values = np.where(np.asarray(batch["valid"][name])[:, :, None], pixels.astype(np.float32), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # where no date was observed
        one = np.nanmedian(values, axis=1)
        side = min(one.shape[-1], _side(tiling))
        edges = [index * one.shape[-1] // side for index in range(side + 1)]
        parts = list(itertools.pairwise(edges))
        means = [np.stack([np.nanmean(one[..., a:b, c:d], axis=(-2, -1)) for c, d in parts], -1) for a, b in parts]
    return np.stack(means, axis=-2).astype(np.float32)


def _side(tiling: Tiling) -> int:
    return max(1, round(LONGEST * tiling.cells / max(tiling.frame)))


def mosaic(squares: list[np.ndarray], tiling: Tiling) -> np.ndarray:
    """Returns the picture of a scene, float `[H, W, 3]` in [0, 1], white where nothing was observed.

    Args:
      squares: those of `thumbnails`, `[C, side, side]` each.
      tiling: where they lie.
    """
    side = squares[0].shape[-1]
    per_cell = side / tiling.cells
    height, width = (max(1, round(cells * per_cell)) for cells in tiling.frame)
    canvas = np.full((squares[0].shape[0], height, width), np.nan, np.float32)
    for index, square in enumerate(squares):
        top, left = (round(cell * per_cell) for cell in tiling.start(index))
        part = canvas[:, top : top + side, left : left + side]
        fresh = square[:, : part.shape[1], : part.shape[2]]
        part[:] = np.where(np.isnan(fresh), part, fresh)
    image = to_image(canvas[None], limits(canvas[None]))[0]
    return np.where(np.isnan(image), 1.0, image)

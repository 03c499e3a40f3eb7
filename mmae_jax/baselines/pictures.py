"""Pixels as models see them that were trained on colour pictures: from 0 to 1, then normalised."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mmae_jax.baselines.bands import Channels
from mmae_jax.models.samples import Samples, in_units
from mmae_jax.spec import Experiment, Modality

BRIGHTEST_REFLECTANCE = 0.3
"""Reflectance that is 1 in a picture, as previews of Sentinel-2 have it; clouds and snow are brighter."""

MEAN_OF_PICTURES = 0.45
"""Of those that models were trained on, from 0 to 1; so bright is what a sensor sees that uses few of its values."""


class Statistics(NamedTuple):
    """Mean and standard deviation of each channel, of pixels from 0 to 1."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]


def picture(samples: Samples, name: str, experiment: Experiment, channels: Channels, of: Statistics) -> jax.Array:
    """Returns the pixels of an input as a model of colour pictures was trained on them.

    Bands that the model never saw are normalised by the average of its channels. Values that are no brightness
    (decibels, metres) come as the experiment scales them. Missing pixels are 0, the mean.

    Args:
      samples: model inputs.
      name: the input.
      experiment: says what its numbers are.
      channels: the model's channel of each band.
      of: statistics of the model's channels.

    Returns:
      float32 `[B, D, C, H, W]`.
    """
    pixels, white = samples.pixels[name], brightest(experiment.modality(name))
    if experiment.model.foundation.repeats("normalisation"):
        return pixels
    if white is not None and not experiment.inputs[name].rescale_elev:
        mean, deviation = (_by_band(channels, numbers) for numbers in of)
        pixels = (in_units(pixels, name, experiment) / white - mean) / deviation
    return jnp.where(samples.pixels_valid[name][:, :, None], pixels, 0)


def brightest(modality: Modality) -> float | None:
    """Returns the value that is white, in the contract's unit; None where values are no brightness."""
    unit = modality.unit.lower()
    if "reflectance" in unit:
        return BRIGHTEST_REFLECTANCE
    if "digital number" not in unit:
        return None
    if modality.dtype != "uint8" and modality.typical_means is not None:  # few of 65,536 values are used
        return (float(np.mean(modality.typical_means)) * modality.scale + modality.offset) / MEAN_OF_PICTURES
    if modality.value_range is not None:
        return modality.value_range[1] * modality.scale + modality.offset
    return 255.0 if modality.dtype == "uint8" else None


def _by_band(channels: Channels, numbers: tuple[float, ...]) -> np.ndarray:
    """Returns the number of each band's channel, float32 `[1, 1, C, 1, 1]`."""
    average = float(np.mean(numbers))
    found = [average if channel is None else numbers[channel] for channel in channels]
    return np.asarray(found, np.float32)[None, None, :, None, None]

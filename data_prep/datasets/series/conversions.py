"""From numbers in a table to stored ones, and what is wrong with those that cannot be stored."""

from __future__ import annotations

import dataclasses
import enum

import numpy as np

from mmae_jax.spec import Modality


@dataclasses.dataclass(frozen=True)
class Decibels:
    """Numbers are amplitudes or powers, and are stored as `factor · log10(number) + offset` [dB].

    Digital numbers of Sentinel-1 with a calibration of −83 dB: `Decibels(factor=20, offset=-83)`; powers: the default.
    """

    factor: float = 10.0
    offset: float = 0.0

    def stored(self, numbers: np.ndarray, sensor: Modality) -> np.ndarray:
        """Returns decibels; of numbers that have none, −∞."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(numbers < 0, -np.inf, self.factor * np.log10(numbers) + self.offset)


@dataclasses.dataclass(frozen=True)
class InUnit:
    """Numbers are in the sensor's unit, and are stored as `(number - offset) / scale`, rounded where they are integers.

    Reflectances from 0 to 1, of a sensor of uint16 with scale 1e-4, become 0 to 10,000.
    """

    def stored(self, numbers: np.ndarray, sensor: Modality) -> np.ndarray:
        """Returns the numbers by which the sensor's scale and offset give these."""
        found = (numbers - sensor.offset) / sensor.scale
        return np.rint(found) if np.dtype(sensor.dtype).kind in "iu" else found


class State(enum.IntEnum):
    """What is known of a date of a modality."""

    THERE = 0
    ABSENT = 1
    PARTLY = 2
    INFINITE = 3
    UNFIT = 4
    OUTSIDE = 5


FAULTS = {
    State.PARTLY: "expected values of all bands or of none",
    State.INFINITE: "expected finite numbers",
    State.UNFIT: "expected numbers of the stored type",
    State.OUTSIDE: "expected values within value_range",
}
"""Why a date is left out; one without any value is not there, which is no fault."""


def stored(
    numbers: np.ndarray, sensor: Modality, missing: tuple[float, ...], convert: Decibels | InUnit | None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns stored values `[N, C]` in the sensor's dtype, and the `State` of each date, uint8 `[N]`.

    Args:
      numbers: as in the table, float64 `[N, C]`; NaN where a cell is empty.
      sensor: the modality.
      missing: numbers that mean no value.
      convert: how numbers become those stored.
    """
    absent = np.isnan(numbers) | np.isin(numbers, missing)
    if convert is None:
        absent |= numbers == (np.nan if sensor.nodata is None else sensor.nodata)
    values = numbers if convert is None else convert.stored(numbers, sensor)
    infinite, unfit = ~absent & ~np.isfinite(values), ~absent & _unfit(values, sensor)
    states = np.full(len(numbers), State.THERE, np.uint8)
    for state, found in ((State.OUTSIDE, outside(values, sensor)), (State.UNFIT, unfit), (State.INFINITE, infinite)):
        states[(found & ~absent).any(1)] = state
    states[absent.any(1)] = State.PARTLY
    states[absent.all(1)] = State.ABSENT
    kept = np.where((states == State.THERE)[:, None], values, 0).astype(sensor.dtype)
    return kept, states


def outside(values: np.ndarray, sensor: Modality) -> np.ndarray:
    """Returns which stored values are out of the range that the contract promises."""
    if sensor.value_range is None:
        return np.zeros(values.shape, bool)
    low, high = sensor.value_range
    return np.asarray((values < low) | (values > high))


def _unfit(values: np.ndarray, sensor: Modality) -> np.ndarray:
    """Returns which values an array of the sensor's dtype cannot hold as they are, or would hold as nodata."""
    dtype = np.dtype(sensor.dtype)
    if dtype.kind == "f":
        return np.asarray(np.abs(values) > np.finfo(dtype).max)
    limits = np.iinfo(dtype)
    with np.errstate(invalid="ignore"):
        found = (values != np.rint(values)) | (values < limits.min) | (values > limits.max)
    return np.asarray(found | (values == (np.nan if sensor.nodata is None else sensor.nodata)))

"""Series whose values change their offset, as those of Sentinel-2 did in January 2022: stored with one all the same."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence

import numpy as np

from data_prep.readers.dates import Date
from mmae_jax.data.dates import missing_values
from mmae_jax.spec import Modality, SpecError
from mmae_jax.spec.error import shown


def check_offsets(field: str, sensor: Modality, offsets: Mapping[str, float]) -> None:
    """Raises a `SpecError` if `offsets` of a description are not days and numbers, in the unit of the sensor."""
    if not isinstance(offsets, Mapping):
        raise SpecError(f"{field}.offsets: expected days with their offsets, found {shown(offsets)}")
    for text, offset in offsets.items():
        try:
            datetime.date.fromisoformat(text)
        except (ValueError, TypeError) as error:
            raise SpecError(f"{field}.offsets: expected days like '2022-01-25', found {text!r}") from error
        if isinstance(offset, bool) or not isinstance(offset, (int, float)) or not math.isfinite(offset):
            raise SpecError(f"{field}.offsets: {text}: expected a number, found {offset!r}")
        _check_unit(f"{field}.offsets: {text}", sensor, offset)


def _check_unit(where: str, sensor: Modality, offset: float) -> None:
    """Raises a `SpecError` if an offset cannot be in the sensor's unit: one in stored numbers makes all values 0."""
    steps = abs(offset - sensor.offset) / sensor.scale
    if np.dtype(sensor.dtype).kind not in "iu" or steps == 0:
        return
    limits = np.iinfo(sensor.dtype)
    if not 0.5 <= steps <= int(limits.max) - int(limits.min):
        raise SpecError(
            f"{where}: expected an offset in {sensor.unit or 'the unit of the sensor'}, of which a stored step is "
            f"{sensor.scale:g}, found {offset:g}, {steps:g} steps from that of the sensor"
        )


def offsets_of(sensor: Modality, offsets: Mapping[str, float], dates: Sequence[Date]) -> list[float]:
    """Returns the offset that a file's values have at each date: the sensor's, before those of later days."""
    days = sorted((_day(text), offset) for text, offset in offsets.items())
    return [([sensor.offset] + [offset for day, offset in days if day <= date])[-1] for date in dates]


def with_one_offset(pixels: np.ndarray, sensor: Modality, offsets: Sequence[float]) -> np.ndarray:
    """Returns values `[T, …]` of these offsets as the sensor's own stands for them; what is missing stays as it is.

    Integers are rounded; what they cannot hold becomes the nearest that they can, and that is not nodata.
    """
    steps = [(offset - sensor.offset) / sensor.scale for offset in offsets]
    if not any(steps):
        return pixels
    values = pixels + np.array(steps).reshape(-1, *[1] * (pixels.ndim - 1))
    if pixels.dtype.kind in "iu":
        limits = np.iinfo(pixels.dtype)
        values = np.rint(values).clip(
            limits.min + (sensor.nodata == limits.min), limits.max - (sensor.nodata == limits.max)
        )
    changed = values.astype(pixels.dtype)
    missing = missing_values(pixels, sensor.nodata)
    return changed if missing is None else np.where(missing, pixels, changed)


def _day(text: str) -> Date:
    day = datetime.date.fromisoformat(text)
    return day.year, day.timetuple().tm_yday, 0

"""Values in the unit, scale and offset of files as the contract stores them."""

from __future__ import annotations

import dataclasses
import re

import numpy as np

from data_prep.readers.statements import same_unit
from data_prep.scenes.described.description import Images
from mmae_jax.spec import Modality, SpecError

_LENGTHS = {"km": 1000.0, "m": 1.0, "metre": 1.0, "metres": 1.0, "meters": 1.0, "cm": 0.01, "mm": 0.001, "ft": 0.3048}
_SHARES = {"1": 1.0, "ratio": 1.0, "reflectance": 1.0, "%": 0.01, "percent": 0.01}
_POWER = re.compile(r"sigma|gamma|beta|backscatter|power|db", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Conversion:
    """From values of a file to stored ones: `gain · value + shift`, through decibels where these differ.

    Attributes:
      scale, offset: from values of the file to its unit.
      decibels: 1 where the file's unit is linear and the contract's is decibel, -1 where it is the other way round.
      factor: from the file's unit to the contract's.
      stored_scale, stored_offset: those of the contract.
    """

    scale: float = 1.0
    offset: float = 0.0
    decibels: int = 0
    factor: float = 1.0
    stored_scale: float = 1.0
    stored_offset: float = 0.0

    @property
    def changes_nothing(self) -> bool:
        """Whether stored values are those of the file."""
        same = (self.scale, self.offset) == (self.stored_scale, self.stored_offset)
        return same and self.decibels == 0 and self.factor == 1

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Returns values as the contract stores them, not rounded, of any shape; NaN stays NaN."""
        if self.changes_nothing:
            return values
        if self.decibels == 0:  # in one step: the same scale on both sides changes no digit
            gain = self.scale * self.factor / self.stored_scale
            return gain * values + (self.offset * self.factor - self.stored_offset) / self.stored_scale
        physical = values * self.scale + self.offset
        if self.decibels > 0:
            physical = 10 * np.log10(np.where(physical > 0, physical, np.nan))
        else:
            physical = 10 ** (physical / 10)
        return (physical - self.stored_offset) / self.stored_scale


def as_in_files(field: str, sensor: Modality, images: Images) -> Modality:
    """Returns what a description says of a sensor's files: the contract, but for what is stated otherwise.

    Raises:
      SpecError: a field cannot be right, or a scale must be stated too.
    """
    dtype = images.dtype or sensor.dtype
    kinds = (
        [np.dtype(each).kind for each in (dtype, sensor.dtype)] if images.dtype is None or _known(field, dtype) else []
    )
    differ = images.unit is not None or ("f" in kinds and kinds[0] != kinds[1])
    if differ and images.scale is None and sensor.scale != 1:
        raise SpecError(f"{field}.scale: expected a number, as dtype or unit are not those of the contract, found None")
    if images.scale == 0:
        raise SpecError(f"{field}.scale: expected a number other than 0, found 0")
    unit = sensor.unit if images.unit is None else images.unit
    return dataclasses.replace(
        sensor,
        dtype=dtype,
        unit=unit,
        scale=sensor.scale if images.scale is None else images.scale,
        offset=sensor.offset if images.offset is None else images.offset,
        decibel=sensor.decibel if images.unit is None else "db" in re.split(r"\W+", unit.lower()),
        nodata=images.nodata,
        quantum=None,
    )


def _known(field: str, dtype: str) -> bool:
    try:
        is_number = np.dtype(dtype).kind in "iuf"
    except TypeError:
        is_number = False
    if not is_number:
        raise SpecError(f"{field}.dtype: expected a data type of numpy such as int16, found {dtype!r}")
    return True


def conversion(field: str, sensor: Modality, files: Modality, offset: float) -> Conversion:
    """Returns how values of files become stored ones.

    Args:
      field: the sensor's name in the description, for messages.
      sensor: the contract.
      files: what is in the files, see `as_in_files`.
      offset: that of the files at their date.

    Raises:
      SpecError: their units are not known to be one quantity.
    """
    linear = Conversion(files.scale, offset, stored_scale=sensor.scale, stored_offset=sensor.offset)
    if files.decibel != sensor.decibel:
        if _POWER.search(sensor.unit) and _POWER.search(files.unit):
            return dataclasses.replace(linear, decibels=1 if sensor.decibel else -1)
    elif files.unit == sensor.unit or same_unit(sensor, files.unit):
        return linear
    else:
        for units in (_LENGTHS, _SHARES):
            mine, theirs = (_factor(units, each.unit) for each in (sensor, files))
            if mine and theirs:
                return dataclasses.replace(linear, factor=theirs / mine)
    raise SpecError(f"{field}.unit: expected {sensor.unit} or what can be converted to it, found {files.unit}")


def _factor(units: dict[str, float], unit: str) -> float | None:
    return next((units[word] for word in re.split(r"[\s,;()]+", unit.lower()) if word in units), None)

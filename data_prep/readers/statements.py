"""What a raster says of itself is compared with the contract: a contradiction stops with both values.

Silence is no contradiction: most files say nothing of scale, unit or names.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.windows import Window

from data_prep.readers.accepted import refuse
from data_prep.readers.band_names import contradict, is_counted, meaning
from data_prep.readers.raw import open_raster
from mmae_jax.data.dates import missing_values
from mmae_jax.spec import Modality

_PRIMARY = frozenset(("red", "green", "blue"))
_ALWAYS = frozenset(("nir", "pan", "coastal"))
_UNITS = {
    "m": ("m", "metre", "metres", "meter", "meters"),
    "cm": ("cm", "centimetre", "centimetres", "centimeter", "centimeters"),
    "mm": ("mm", "millimetre", "millimetres", "millimeter", "millimeters"),
    "km": ("km", "kilometre", "kilometres", "kilometer", "kilometers"),
    "ft": ("ft", "foot", "feet", "ftus"),
    "k": ("k", "kelvin"),
    "degc": ("c", "degc", "°c", "celsius"),
    "db": ("db", "decibel", "decibels"),
    "1": ("1", "unitless", "dimensionless", "reflectance", "none", "ratio", "power", "backscatter", "amplitude"),
    "dn": ("dn", "count", "counts", "digital"),
    "%": ("%", "percent"),
}
_CANONICAL = {spelling: unit for unit, spellings in _UNITS.items() for spelling in spellings}


_COMPOUND = ("COMPD_CS", "COMPOUNDCRS")
_HEIGHTS = frozenset(("m", "ft"))
"""Units that GDAL takes from a coordinate system with heights where a file states none."""


def read_pixels(
    path: Path,
    file: rasterio.DatasetReader,
    sensor: Modality,
    *,
    offsets: Sequence[float] | None = None,
    window: Window | None = None,
) -> np.ndarray:
    """Returns the pixels `[bands, rows, columns]` of an open raster, whose statements agree with the contract.

    Args:
      path: the raster, for messages.
      file: its bands are those of the first date, then those of the second …
      sensor: what the contract says of it.
      offsets: of the values of each date; None where all dates have that of the contract.
      window: what is read of it; None for all.

    Raises:
      TileError: what the raster says of its bands and values, or its mask, contradicts the contract and is not
        accepted; names the file, what was expected and what was found.
    """
    check_statements(path, file, sensor, offsets)
    _check_nodata(path, file, sensor.nodata)
    pixels: np.ndarray = file.read(window=window)
    _check_opacity(path, file, pixels, sensor)
    check_mask(path, file, pixels, sensor.nodata)
    return pixels


def check_statements(
    path: Path, file: rasterio.DatasetReader, sensor: Modality, offsets: Sequence[float] | None = None
) -> None:
    """Checks what an open raster says of its bands and values but for nodata; as `read_pixels`."""
    _check_colours(path, file, sensor)
    _check_names(path, file, sensor)
    check_values(path, file, sensor, offsets)


def _check_names(path: Path, file: rasterio.DatasetReader, sensor: Modality) -> None:
    bands = len(sensor.bands)
    if file.count > bands and is_counted(file.descriptions):
        return
    for first in range(0, file.count, bands):
        named = file.descriptions[first : first + bands]
        if any(named) and contradict(sensor.bands, named):
            at = f" at date {first // bands + 1}" if first else ""
            found = ", ".join(name or "nothing" for name in named)
            refuse("bands", f"{path}: band names: expected {', '.join(sensor.bands)}, found {found}{at}")


def _check_colours(path: Path, file: rasterio.DatasetReader, sensor: Modality) -> None:
    """Red, green and blue are believed where the contract has these three, and no others: GDAL calls any first so."""
    found = [each.name for each in file.colorinterp]
    kinds = [meaning(band).kinds for band in sensor.bands] * (file.count // len(sensor.bands))
    all_three = set(kinds) == {frozenset([colour]) for colour in _PRIMARY} and set(found) >= _PRIMARY
    believed = _PRIMARY if all_three else _ALWAYS
    for index, (kind, colour) in enumerate(zip(kinds, found, strict=True)):
        if colour in believed and kind and colour not in kind:
            band = sensor.bands[index % len(sensor.bands)]
            refuse("bands", f"{path}: colour of band {index + 1}: expected that of {band}, found {colour}")
            return


def _check_opacity(path: Path, file: rasterio.DatasetReader, pixels: np.ndarray, sensor: Modality) -> None:
    """A band that is called opacity is believed to be where it is wholly open or shut; GDAL calls any fourth so."""
    for index, colour in enumerate(file.colorinterp):
        if colour == ColorInterp.alpha and pixels.dtype.kind in "iu":
            opaque = np.iinfo(pixels.dtype).max
            if pixels[index].any() and np.isin(pixels[index], (0, opaque)).all():
                band = sensor.bands[index % len(sensor.bands)]
                refuse("bands", f"{path}: band {index + 1}: expected {band}, found opacity: 0 and {opaque} alone")


def check_values(
    path: Path, file: rasterio.DatasetReader, sensor: Modality, offsets: Sequence[float] | None = None
) -> None:
    """Checks what an open raster says of scale, offset and unit; arguments and errors as of `read_pixels`."""
    check_scale(path, file, sensor, offsets)
    heights = _HEIGHTS if file.crs is not None and file.crs.to_wkt().startswith(_COMPOUND) else frozenset()
    for unit in {unit for unit in file.units if unit and _CANONICAL.get(unit.lower()) not in heights}:
        if not same_unit(sensor, unit):
            refuse("values", f"{path}: unit: expected {sensor.unit} as the contract says, found {unit}")


def check_scale(
    path: Path, file: rasterio.DatasetReader, sensor: Modality, offsets: Sequence[float] | None = None
) -> None:
    """Checks what an open raster says of scale and offset; arguments and errors as of `read_pixels`."""
    for index, (scale, offset) in enumerate(zip(file.scales, file.offsets, strict=True)):
        if (scale, offset) == (1.0, 0.0):
            continue
        described = sensor.offset if offsets is None else offsets[index // len(sensor.bands)]
        for what, expected, found in (("scale", sensor.scale, scale), ("offset", described, offset)):
            if not math.isclose(expected, found, rel_tol=1e-6, abs_tol=1e-12):
                refuse("values", f"{path}: {what}: expected {expected:g} as the contract says, found {found:g}")
                return


def same_unit(sensor: Modality, found: str) -> bool:
    """Returns whether a unit, however it is spelt, is that of the contract."""
    words = set(re.split(r"[\s,;()\[\]]+", sensor.unit.lower()))
    expected = {_CANONICAL.get(word, word) for word in words} | ({"db"} if sensor.decibel else set())
    parts = set(re.split(r"[\s,;()\[\]]+", found.lower())) - {""}
    return found.lower() == sensor.unit.lower() or bool({_CANONICAL.get(part, part) for part in parts} & expected)


def _check_nodata(path: Path, file: rasterio.DatasetReader, nodata: float | None) -> None:
    """Checks that what an open raster calls nodata is what the contract does; NaN always is."""
    for found in set(file.nodatavals) - {None}:
        if not math.isnan(found) and (nodata is None or not math.isclose(found, nodata, rel_tol=1e-6)):
            expected = "none" if nodata is None else f"{nodata:g}"
            refuse("values", f"{path}: nodata: expected {expected} as the contract says, found {found:g}")


def check_mask(path: Path, file: rasterio.DatasetReader, pixels: np.ndarray, nodata: float | None) -> None:
    """Checks that no pixel is missing by a mask alone, in an open raster or beside it (`.msk`).

    Args:
      path: the raster.
      file: the same, open.
      pixels: its pixels, `[…, rows, columns]`.
      nodata: what stands for missing pixels, besides NaN.

    Raises:
      TileError: values of masked pixels would be taken for observed ones.
    """
    beside = path.with_name(f"{path.name}.msk")
    inner = any(MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags for flags in file.mask_flag_enums)
    if inner:
        masked = file.read_masks(1) == 0
    elif beside.exists():
        if beside.is_symlink():
            refuse("links", f"{path}: mask: expected a file beside it, found a link")
        with open_raster(beside, ".tif") as mask:
            masked = mask.read(1) == 0
    else:
        return
    missing = missing_values(pixels, nodata)
    masked = masked[: pixels.shape[-2], : pixels.shape[-1]]  # of what was read
    if masked.shape == pixels.shape[-2:]:
        masked = np.broadcast_to(masked, pixels.shape) & (True if missing is None else ~missing)
    if masked.any():
        refuse("masks", f"{path}: mask: expected missing pixels as nodata or NaN, found some that only a mask tells")

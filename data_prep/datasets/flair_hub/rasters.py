"""Reads the GeoTIFFs of FLAIR-HUB and FLAIR#2 patches, and says what a record holds where there is none."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data_prep.datasets.flair_hub.contract import FINE_SIDE, PATCH_METERS
from data_prep.errors import TileError
from data_prep.readers.raw import expect, open_raster
from data_prep.readers.registration import Place, check_frame, check_registered, scaled
from data_prep.readers.statements import check_mask, check_scale, read_pixels
from data_prep.shards.records import NUM_DATE_PARTS, Record
from mmae_jax.data.dates import missing_values
from mmae_jax.spec import Modality


@dataclasses.dataclass(frozen=True)
class Image:
    """One file.

    Attributes:
      pixels: `[T, bands, side, side]` as published.
      place: where it lies.
    """

    pixels: np.ndarray
    place: Place


def of_pixels(bands: int, side: int = FINE_SIDE) -> Modality:
    """Returns what a raster of classes or percents is; what its files call bands, unit and nodata is not believed."""
    return Modality(tuple(f"layer {number}" for number in range(1, bands + 1)), "uint8", "", PATCH_METERS / side, side)


def read_image(path: Path, sensor: Modality, dtype: str | None) -> Image | None:
    """Returns an image or time series, None if there is no such file; nodata of quantised values becomes NaN.

    Args:
      path: the file; its bands are those of the first date, then those of the second …
      sensor: what it holds.
      dtype: dtype of the values in the file; None where the publisher does not say.

    Raises:
      TileError: the file is damaged, or not of this kind; names expected and found.
    """
    if not path.exists():
        return None
    bands, side = len(sensor.bands), sensor.size
    with open_raster(path) as file:
        if file.count % bands:
            each = f"a multiple of {bands}, the bands of one date" if bands > 1 else "one or more"
            raise TileError(f"{path}: bands: expected {each}, found {file.count}")
        expect(path, "size", (side, side), file.shape)
        if sensor.quantum is not None:  # what the contract says of nodata is of quanta, not of these values
            sensor = dataclasses.replace(sensor, nodata=file.nodata)
        if sensor.unit:
            pixels = read_pixels(path, file, sensor)
        else:
            check_scale(path, file, sensor)
            pixels = file.read()
            check_mask(path, file, pixels, None)
        place = Place.of(path, file, PATCH_METERS / side, side)
    if dtype is not None:  # not asked of the file, which would look at each of a thousand bands
        expect(path, "dtype", dtype, pixels.dtype.name)
    if sensor.quantum is not None and (missing := missing_values(pixels, sensor.nodata)) is not None:
        pixels = np.where(missing, pixels.dtype.type(np.nan), pixels)
    return Image(pixels.reshape(-1, bands, side, side), place)


def georeference(places: Sequence[Place]) -> Record:
    """Returns the fields `crs` and `transform` of a record, those of the 0.2 m pixels.

    Args:
      places: those of the patch's rasters, one or more; the first is the patch's frame.

    Raises:
      TileError: the rasters do not lie at one place.
    """
    frame, *others = places
    check_frame(frame)
    for place in others:
        check_registered(frame, place)
    return {
        "crs": frame.crs.to_wkt() if frame.crs else "",
        "transform": np.array(scaled(frame.transform, frame.side / FINE_SIDE)[:6], np.float64),
    }


def missing(modality: Modality) -> Record:
    """Returns the fields of a modality without any acquisition."""
    side = modality.size
    record: Record = {
        "pixels": np.empty((0, len(modality.bands), side, side), modality.dtype),
        "dates": np.empty((0, NUM_DATE_PARTS), np.int16),
    }
    if modality.quantum is not None:
        record["base"] = np.float32(0)
    if modality.mask_channels:
        record["mask"] = np.empty((0, len(modality.mask_channels), side, side), np.uint8)
    return record

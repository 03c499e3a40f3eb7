"""Images in files, as their headers tell them, compared with the contract before a pixel is read."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import MaskFlags

from data_prep.datasets.folder.offsets import offsets_of
from data_prep.errors import TileError, naming_errors
from data_prep.readers.dates import stored_date
from data_prep.readers.statements import check_statements
from data_prep.scenes.bands import find_bands, has_opacity
from data_prep.scenes.conversion import Conversion, as_in_files, conversion
from data_prep.scenes.described.description import Images
from data_prep.scenes.described.sources import Moment, Source
from data_prep.scenes.files import opened
from data_prep.scenes.grid import Grid
from mmae_jax.spec import Modality


@dataclasses.dataclass(frozen=True)
class Layer:
    """One image in a file.

    Attributes:
      path: the file.
      moment: when it was taken.
      indexes: its bands in the file, from 1.
      channels: which bands of the contract these are, from 0.
      grid: where it lies.
      dtype: data type of the file.
      nodata: value of missing pixels in each band; None where there is none.
      masked: band that tells by 0 what is missing: of the file, 0 for an inner mask, None for none.
      conversion: to stored values.
    """

    path: str
    moment: Moment
    indexes: tuple[int, ...]
    channels: tuple[int, ...]
    grid: Grid
    dtype: str
    nodata: tuple[float | None, ...]
    masked: int | None
    conversion: Conversion


@dataclasses.dataclass(frozen=True)
class _Chosen:
    """What an open file says of the chosen bands, and STAC where the file says nothing; named as `rasterio` does."""

    crs: Any
    count: int
    descriptions: tuple[str | None, ...]
    colorinterp: tuple[Any, ...]
    units: tuple[str | None, ...]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]

    @classmethod
    def of(cls, file: rasterio.DatasetReader, source: Source, indexes: Sequence[int]) -> _Chosen:
        def chosen(values: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(values[index] for index in indexes)

        scales, offsets = chosen(file.scales), chosen(file.offsets)
        if set(zip(scales, offsets, strict=True)) == {(1.0, 0.0)}:
            scales = tuple(_stated(source.stated.scales, index, 1.0) for index in indexes)
            offsets = tuple(_stated(source.stated.offsets, index, 0.0) for index in indexes)
        names, colours, units = chosen(file.descriptions), chosen(file.colorinterp), chosen(file.units)
        return cls(file.crs, len(indexes), names, colours, units, scales, offsets)


def read_layers(source: Source, field: str, sensor: Modality, images: Images) -> list[Layer]:
    """Returns the images in a file, one for each date.

    Args:
      source: the file.
      field: the sensor's name in the description, for messages.
      sensor: the contract; of masks, with these as bands.
      images: what the description says of the files.

    Raises:
      TileError: the file cannot be read, or what it says contradicts the contract; names it, expected and found.
      SpecError: what the description says cannot be converted to the contract.
    """
    files = as_in_files(field, sensor, images)
    wanted = (source.band,) if source.band else sensor.bands
    order = wanted if source.band or not images.bands else images.bands
    if absent := [band for band in wanted if band not in order]:
        raise TileError(f"{field}.bands: expected {', '.join(absent)} among them, found {', '.join(order)}")
    path, dates = Path(source.path), [stored_date(moment) for moment in source.moments]
    file = opened(source.path)
    with naming_errors(source.path):
        grid = _grid(source.path, file)
        indexes = find_bands(source.path, file, wanted, order, len(dates))
        _check_dtype(source.path, file, indexes, sensor, files, images)
        offsets = offsets_of(files, images.offsets, dates)
        named = dataclasses.replace(files, bands=wanted)
        check_statements(path, _Chosen.of(file, source, indexes), named, offsets)
        masked = _masked(file, len(order) * len(dates))
    channels = tuple(sensor.bands.index(band) for band in wanted)
    layers = []
    for number, (moment, offset) in enumerate(zip(source.moments, offsets, strict=True)):
        own = tuple(1 + index for index in indexes[number * len(wanted) : (number + 1) * len(wanted)])
        convert = conversion(field, sensor, files, offset)
        missing = source.stated.nodata if images.nodata is None else images.nodata
        if missing is None and convert.changes_nothing:
            missing = sensor.nodata
        nodata = tuple(missing if file.nodatavals[index - 1] is None else file.nodatavals[index - 1] for index in own)
        layers.append(Layer(source.path, moment, own, channels, grid, file.dtypes[0], nodata, masked, convert))
    return layers


def _stated(values: Sequence[float | None], index: int, default: float) -> float:
    value = values[index] if index < len(values) else None
    return default if value is None else float(value)


def _grid(path: str, file: rasterio.DatasetReader) -> Grid:
    if file.crs is None or file.gcps[0]:
        found = "control points only" if file.gcps[0] else "none"
        raise TileError(f"{path}: coordinate system: expected one, and an affine from pixels to it, found {found}")
    grid = Grid.of(file)
    if file.transform.is_identity or file.transform.determinant == 0:
        raise TileError(f"{path}: affine: expected one from pixels to the ground, found {grid.transform}")
    return grid


def _check_dtype(
    path: str, file: rasterio.DatasetReader, indexes: Sequence[int], sensor: Modality, files: Modality, images: Images
) -> None:
    for index in indexes:
        found = file.dtypes[index]
        if found != files.dtype and not (sensor.quantum is not None and images.dtype is None):
            raise TileError(
                f"{path}: dtype: expected {files.dtype}, found {found}; if it is right, say dtype={found!r}"
            )
        if np.dtype(found).kind not in "iuf":
            raise TileError(f"{path}: dtype: expected numbers, found {found}")


def _masked(file: rasterio.DatasetReader, bands: int) -> int | None:
    if has_opacity(file, bands):
        return int(file.count)
    inner = any(MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags for flags in file.mask_flag_enums)
    return 0 if inner else None

"""Targets of tiles: classes and numbers from rasters and tables, each checked against the description."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import Compression

from data_prep.datasets.folder.description import Column, Raster
from data_prep.datasets.folder.values import Values, as_indices, meaning
from data_prep.errors import DataPrepError, TileError
from data_prep.readers.accepted import refuse
from data_prep.readers.geopackage import read_rows as read_attributes
from data_prep.readers.inside import inside
from data_prep.readers.raw import expect, open_raster
from data_prep.readers.registration import Place
from data_prep.readers.statements import check_mask, check_values
from data_prep.readers.tables import note, read_rows
from data_prep.shards.records import Field
from mmae_jax import tasks
from mmae_jax.spec import Modality, Target

Label = tuple[float, ...] | float | int
"""What a table says of a tile: proportions of classes, a number (NaN: missing), or the index of a class."""

VECTOR_FILES = (".gpkg", ".geojson", ".shp")


def target_field(target: Target) -> Field:
    """Returns shape and dtype of the record field of a target."""
    if target.size is not None:
        return (target.size, target.size), target.dtype
    task = tasks.of(target)
    return task.shape(target), task.stored_dtype


def table_rows(path: Path, *columns: str) -> dict[str, Mapping[str, str]]:
    """Returns the lines of a csv file, or the features of a vector file: `line 2` or `feature 1` → values by column.

    An attribute without a value is an empty text.

    Raises:
      DataPrepError: the file cannot be read, lacks one of `columns`, or has no line.
    """
    if path.suffix.lower() not in VECTOR_FILES:
        return read_rows(path, *columns)
    rows = read_attributes(path, columns)
    if not rows:
        raise DataPrepError(f"{path}: expected at least one feature, found none")
    return {f"feature {number}": dict(zip(columns, map(_text, row), strict=True)) for number, row in enumerate(rows, 1)}


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):  # what integers become where one of them is absent
        return "" if math.isnan(value) else str(int(value) if value.is_integer() else value)
    return str(value).strip()


def read_labels(source: Column, raw_dir: Path) -> dict[str, Label]:
    """Returns what a table says of each tile.

    Raises:
      DataPrepError: the table cannot be read, names a tile twice, or holds what is no label; names file and tile.
    """
    target, path = source.target, inside(raw_dir, source.table)
    columns = target.classes if tasks.of(target).shape(target) else (target.field,)
    labels, places = dict[str, Label](), dict[str, str]()
    for place, row in table_rows(path, "tile", *columns).items():
        tile = row["tile"]
        note(places, tile, place, f"{path}: tile {tile}")
        labels[tile] = _label(source, row, f"{path}: tile {tile}")
    return labels


def _label(source: Column, row: Mapping[str, str], where: str) -> Label:
    target = source.target
    if tasks.of(target).shape(target):
        proportions = tuple(number(row[name], f"{where}: {name}") for name in target.classes)
        if not all(0 <= value <= 1 for value in proportions):
            raise DataPrepError(f"{where}: expected numbers from 0 to 1, found {proportions}")
        return proportions
    text = row[target.field]
    if tasks.of(target).numeric:
        return number(text or "nan", f"{where}: {target.field}")
    known = known_labels(target, source.values)
    if text not in known:
        expected = ", ".join(map(str, source.values or target.classes))
        raise DataPrepError(f"{where}: {target.field}: expected a class ({expected}), found {text!r}")
    return known[text]


def known_labels(target: Target, values: Values | None) -> dict[str, int]:
    """Returns what a column of classes may say → how it is stored: names and indices, or what `values` mean."""
    if values is not None:
        return {str(value): meaning(target, name) for value, name in values.items()}
    known = {str(index): index for index in (*range(target.num_classes), *target.excluded)}
    return known | {name: index for index, name in enumerate(target.classes)}


def number(text: str, where: str) -> float:
    """Returns the number that a cell holds; a `DataPrepError` that names `where` if it holds none."""
    try:
        return float(text)
    except ValueError as error:
        raise DataPrepError(f"{where}: expected a number, found {text!r}") from error


def read_raster_target(path: Path, source: Raster, tile_meters: float) -> tuple[np.ndarray, Place]:
    """Returns the classes or numbers of a tile's pixels, `[size, size]`, and where they lie, which is not checked.

    Floating-point nodata becomes NaN.

    Raises:
      TileError: the file is damaged or not as described; names it, what was expected and what was found.
    """
    target = source.target
    with open_raster(path) as file:
        expect(path, "bands", 1, file.count)
        if file.driver == "JPEG" or file.compression == Compression.jpeg:
            raise TileError(f"{path}: expected values as they were written, found JPEG, which changes them")
        expect(path, "size", (target.size, target.size), file.shape)
        if source.values is None:
            expect(path, "dtype", target.dtype, file.dtypes[0])
        elif np.dtype(file.dtypes[0]).kind not in "iu":
            expect(path, "dtype", "whole numbers", file.dtypes[0])
        assert target.size is not None, "the description was checked"
        place = Place.of(path, file, tile_meters / target.size, target.size)
        stored = Modality(("value",), target.dtype, file.units[0] or "", place.pixel, target.size)  # has no scale
        check_values(path, file, stored)
        values: np.ndarray = file.read(1)
        if source.values is None:
            values = _without_nodata(path, file, target, values)
        check_mask(path, file, values, target.missing_value)
        if tasks.of(target).numeric:
            return values, place
    return as_indices(path, values, target, source.values), place


def _without_nodata(path: Path, file: rasterio.DatasetReader, target: Target, values: np.ndarray) -> np.ndarray:
    if file.nodata is None:
        return values
    if values.dtype.kind == "f":
        return np.where(values == values.dtype.type(file.nodata), values.dtype.type(np.nan), values)
    if file.nodata not in target.excluded:
        excluded = " or ".join(map(str, target.excluded))
        refuse(
            "values",
            f"{path}: nodata: expected {excluded} (missing_value and ignored of the target), found {file.nodata:g}",
        )
    return values

"""The values of a table by modality, and what it tells of places; read by columns, a batch of rows at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from data_prep.datasets.series import moments, tables
from data_prep.datasets.series.conversions import FAULTS, State, stored
from data_prep.datasets.series.description import Columns, Geometry, Points, Series
from data_prep.datasets.series.patterns import matched
from data_prep.errors import DataPrepError

WRONG = (State.INFINITE, State.UNFIT, State.OUTSIDE)
"""States of dates with values that the description does not expect."""

Layout = Mapping[str, Mapping[str, Sequence[str]]]
"""Modality → when → the column of each band."""


@dataclasses.dataclass(frozen=True)
class Observations:
    """N dates of places of one modality.

    Attributes:
      place: number of the place, int32 `[N]`.
      moments: datetime64[s] `[N]`.
      pixels: `[N, C]` in the contract's dtype; 0 where a date cannot be used.
      states: uint8 `[N]`, see `State`.
    """

    place: np.ndarray
    moments: np.ndarray
    pixels: np.ndarray
    states: np.ndarray


@dataclasses.dataclass(frozen=True)
class Content:
    """What a table holds.

    Attributes:
      places: names of the P places, sorted.
      rows: number of the place of each of R rows, int32 `[R]`.
      attributes: column → what each row tells of its place: text, numbers or geometries.
      observations: modality → its dates, in order of place and time.
    """

    places: list[str]
    rows: np.ndarray
    attributes: Mapping[str, pa.Array]
    observations: Mapping[str, Observations]


@dataclasses.dataclass
class _Gathered:
    """Dates of one modality, batch by batch.

    Attributes:
      field: its name in the description.
      columns: its description.
      parts: numbers of rows, moments, pixels and states.
      example: numbers that cannot be stored as described.
    """

    field: str
    columns: Columns
    parts: list[tuple[np.ndarray, ...]] = dataclasses.field(default_factory=list)
    example: str = ""

    def add(self, path: Path, batch: pa.RecordBatch, bands: Sequence[str], rows: np.ndarray, when: np.ndarray) -> None:
        """Adds a date of each row of a batch, whose columns `bands` hold the values."""
        numbers = [np.asarray(tables.numbers(batch.column(band), f"{path}: {band}")) for band in bands]
        values = np.stack(numbers, axis=1)
        pixels, states = stored(values, self.columns.sensor, self.columns.missing, self.columns.convert)
        wrong = np.isin(states, WRONG)
        if not self.example and wrong.any():
            self.example = ", ".join(f"{value:g}" for value in values[wrong][0])
        self.parts.append((rows, when, pixels, states))

    def observations(self, place_of_row: np.ndarray) -> Observations:
        """Returns all dates, by place and in order of time."""
        row, when, pixels, states = (np.concatenate(arrays) for arrays in zip(*self.parts, strict=True))
        place = place_of_row[row]
        order = np.lexsort((row, when, place))
        return Observations(place[order], when[order], pixels[order], states[order])


def read(series: Series, paths: Sequence[Path]) -> Content:
    """Returns what the files of a table hold of what a description asks for.

    Raises:
      DataPrepError: a file lacks columns, holds no rows or other values than described; names file and column.
    """
    names: list[pa.Array] = []
    attributes: dict[str, list[pa.Array]] = {column: [] for column in series.attributes}
    gathered = {name: _Gathered(f"modalities.{name}", columns) for name, columns in series.modalities.items()}
    read_rows = 0
    for path in paths:
        layout = layout_of(series, path)
        for batch in tables.batches(path, _wanted(series, layout), _told(series)):
            rows = np.arange(read_rows, read_rows + len(batch))
            read_rows += len(batch)
            names.append(_names(batch.column(series.place), f"{path}: {series.place}"))
            for column, found in attributes.items():
                found.append(_attribute(series, batch, column, path))
            for name, when, bands in _dates(layout):
                gathered[name].add(path, batch, bands, rows, _moments(series, batch, when, path))
    if not read_rows:
        raise DataPrepError(f"{paths[0]}: expected at least one row, found none")
    places, place_of_row = _numbered(names)
    observations = {name: _fitting(gathered.pop(name), place_of_row) for name in series.modalities}
    told = {column: pa.concat_arrays(found) for column, found in attributes.items()}
    return Content(places, place_of_row, told, observations)


def _dates(layout: Layout) -> Iterator[tuple[str, str, Sequence[str]]]:
    """Yields modality, when, and the column of each band."""
    for name, of_times in layout.items():
        for when, bands in of_times.items():
            yield name, when, bands


def layout_of(series: Series, path: Path) -> dict[str, dict[str, list[str]]]:
    """Returns modality → when → the column of each band, of a file."""
    header = tables.header(path)
    return {
        name: matched(f"{path}: modalities.{name}.pattern", columns, series.date_format, header)
        for name, columns in series.modalities.items()
    }


def _wanted(series: Series, layout: Layout) -> list[str]:
    date = [series.date] if series.date is not None else []
    bands = [column for _, _, columns in _dates(layout) for column in columns]
    return [series.place, *date, *series.attributes, *bands]


def _told(series: Series) -> list[str]:
    """Returns the columns of names: those that hold neither dates nor numbers."""
    others = {series.steps.column} if series.steps is not None else set()
    if isinstance(series.coordinates, Points):
        others |= {series.coordinates.lon, series.coordinates.lat}
    return [series.place, *(column for column in series.attributes if column not in others)]


def _names(column: pa.Array, where: str) -> pa.Array:
    found = tables.texts(column, where)
    if found.null_count:
        raise DataPrepError(f"{where}: expected a place in each row, found {found.null_count} without")
    return found


def _attribute(series: Series, batch: pa.RecordBatch, column: str, path: Path) -> pa.Array:
    found, where = batch.column(column), f"{path}: {column}"
    if isinstance(series.coordinates, Points) and column in (series.coordinates.lon, series.coordinates.lat):
        return tables.numbers(found, where)
    if isinstance(series.coordinates, Geometry) and column == series.coordinates.column:
        return found
    if series.steps is not None and column == series.steps.column:
        return pa.array(moments.of_column(found, series.date_format, where))
    return tables.texts(found, where)


def _moments(series: Series, batch: pa.RecordBatch, when: str, path: Path) -> np.ndarray:
    if series.date is not None:
        return moments.of_column(batch.column(series.date), series.date_format, f"{path}: {series.date}")
    if series.steps is None:
        return np.full(len(batch), moments.of_name(when, series.date_format, f"{path}: columns of {when}"))
    if series.steps.column is not None:
        where = f"{path}: {series.steps.column}"
        start = moments.of_column(batch.column(series.steps.column), series.date_format, where)
    else:
        start = np.full(len(batch), np.datetime64(series.steps.start, "s"))
    return moments.of_step(start, int(when), series.steps)


def _numbered(names: list[pa.Array]) -> tuple[list[str], np.ndarray]:
    """Returns the names of places, sorted, and the number of each row's place."""
    coded = pa.chunked_array(names).combine_chunks().dictionary_encode()
    found = coded.dictionary.to_pylist()
    order = sorted(range(len(found)), key=found.__getitem__)
    number = np.empty(len(found), np.int32)
    number[order] = np.arange(len(found))
    return [found[one] for one in order], number[np.asarray(coded.indices)]


def _fitting(gathered: _Gathered, place_of_row: np.ndarray) -> Observations:
    """Returns the dates of a modality; a `DataPrepError` where most cannot be stored: then the description is wrong."""
    observed = gathered.observations(place_of_row)
    counts = {state: int(np.count_nonzero(observed.states == state)) for state in (State.THERE, *WRONG)}
    worst = max(WRONG, key=lambda state: counts[state])
    if sum(counts[state] for state in WRONG) > counts[State.THERE]:
        of = f"{counts[worst]} of {sum(counts.values())} dates"
        raise DataPrepError(
            f"{gathered.field}: {FAULTS[worst]}, found others at {of}, e.g. {gathered.example}; is the unit another? "
            "(convert=, missing=, scale and offset of the sensor)"
        )
    return observed

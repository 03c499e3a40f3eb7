"""Tables in Parquet, GeoParquet and CSV: names of columns, and some of them, in batches of rows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet

from data_prep.errors import DataPrepError, naming_errors
from data_prep.readers.inside import check_file, inside
from data_prep.readers.listing import find_files
from data_prep.readers.tables import check_columns

ROWS = 1 << 16
"""Rows of a batch."""


def files(raw_dir: Path, pattern: str) -> list[Path]:
    """Returns the files of a table, sorted by name.

    Raises:
      DataPrepError: there is none, or one is no file below the raw folder.
    """
    found = [inside(raw_dir, name) for name in find_files(raw_dir, pattern)]
    if not found:
        raise DataPrepError(f"table: expected a file {pattern!r} in {raw_dir}, found none")
    for path in found:
        check_file(path)
    return found


def header(path: Path) -> list[str]:
    """Returns the names of a table's columns."""
    with naming_errors(path, DataPrepError), path.open("rb") as file:
        if _is_csv(path):
            with csv.open_csv(file, parse_options=_parsing(path)) as reader:
                return list(reader.schema.names)
        return list(parquet.ParquetFile(file).schema_arrow.names)


def geo_metadata(path: Path) -> bytes | None:
    """Returns what GeoParquet says of geometries, JSON; None where it says nothing."""
    if _is_csv(path):
        return None
    with naming_errors(path, DataPrepError), path.open("rb") as file:
        found: bytes | None = (parquet.ParquetFile(file).schema_arrow.metadata or {}).get(b"geo")
        return found


def batches(path: Path, columns: Sequence[str], as_text: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
    """Yields columns of a table, some rows at a time: a large Parquet file is never in memory whole.

    Args:
      path: the table.
      columns: which of its columns.
      as_text: those that a CSV file has as they are written: a place 007 is not a place 7.

    Raises:
      DataPrepError: the table cannot be read, or lacks a column.
    """
    wanted = list(dict.fromkeys(columns))
    check_columns(path, wanted, header(path))
    with contextlib.ExitStack() as stack:
        with naming_errors(path, DataPrepError):
            file = stack.enter_context(path.open("rb"))
            rows = _csv_rows(path, file, wanted, as_text) if _is_csv(path) else _parquet_rows(file, wanted)
        while True:
            with naming_errors(path, DataPrepError):
                batch = next(rows, None)
            if batch is None:
                return
            yield batch


def _parquet_rows(file: object, wanted: list[str]) -> Iterator[pa.RecordBatch]:
    yield from parquet.ParquetFile(file).iter_batches(ROWS, columns=wanted)


def _csv_rows(path: Path, file: object, wanted: list[str], as_text: Sequence[str]) -> Iterator[pa.RecordBatch]:
    # whole, as the type of a column is that of all its cells
    types = dict.fromkeys(as_text, pa.string())
    options = csv.ConvertOptions(include_columns=wanted, strings_can_be_null=True, column_types=types)
    yield from csv.read_csv(file, parse_options=_parsing(path), convert_options=options).to_batches(ROWS)


def _is_csv(path: Path) -> bool:
    return path.suffix.lower() == ".csv"


def _parsing(path: Path) -> csv.ParseOptions:
    with path.open("rb") as file:
        return csv.ParseOptions(delimiter=";" if b";" in file.readline() else ",")


def numbers(column: pa.Array, where: str) -> pa.Array:
    """Returns a column as float64; where a cell is empty, NaN.

    Raises:
      DataPrepError: it holds something else; names the first that is no number.
    """
    if pa.types.is_null(column.type):
        return pa.array([float("nan")] * len(column), pa.float64())
    plain = _plain(column)
    if pa.types.is_boolean(plain.type) or pa.types.is_temporal(plain.type):
        raise DataPrepError(f"{where}: expected numbers, found {plain.type}")
    try:
        return pc.fill_null(pc.cast(plain, pa.float64()), float("nan"))
    except pa.ArrowInvalid as error:
        raise DataPrepError(f"{where}: expected numbers, found {_first_text(plain)}") from error
    except pa.ArrowNotImplementedError as error:
        raise DataPrepError(f"{where}: expected numbers, found {plain.type}") from error


def texts(column: pa.Array, where: str) -> pa.Array:
    """Returns a column as text without spaces around it, null where a cell is empty; whole numbers without a point.

    Raises:
      DataPrepError: its type has no text.
    """
    plain = _plain(column)
    if pa.types.is_floating(plain.type):
        return _of_floats(pc.cast(plain, pa.float64()))
    try:
        found = pc.utf8_trim_whitespace(pc.cast(plain, pa.string()))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DataPrepError(f"{where}: expected text or numbers, found {plain.type}") from error
    return pc.if_else(pc.equal(found, ""), None, found)


def _of_floats(column: pa.Array) -> pa.Array:
    """Returns numbers as text; whole ones as the integers that they were before another cell was empty."""
    known = pc.if_else(pc.is_nan(column), None, column)
    whole = pc.and_(pc.equal(known, pc.round(known)), pc.less(pc.abs(known), 2.0**53))
    integers = pc.cast(pc.if_else(whole, known, None), pa.int64())
    return pc.coalesce(pc.cast(integers, pa.string()), pc.cast(known, pa.string()))


def _plain(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _first_text(column: pa.Array) -> str:
    for value in column.to_pylist():
        try:
            float(value or "nan")
        except (TypeError, ValueError):
            return repr(value)
    return str(column.type)

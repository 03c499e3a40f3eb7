"""Reads attribute tables of GeoPackages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from data_prep.errors import DataPrepError, naming_errors
from data_prep.readers.inside import check_file
from data_prep.readers.tables import check_columns

BEGINNINGS = {".gpkg": b"SQLite format 3\0", ".geojson": b"{", ".shp": b"\0\0\x27\n"}
"""Ending of a file's name → how its content begins."""

Row = tuple[str | None, ...]


def read_rows(path: Path, columns: Sequence[str], query: str = "SELECT {columns} FROM {layer}") -> list[Row]:
    """Returns the rows of a query on the first layer of a GeoPackage, as tuples of texts; geometries are not read.

    Args:
      path: the file, local or in an object store.
      columns: attributes that must be there.
      query: SQL in which `{columns}` and `{layer}` are filled in. What a table repeats is best grouped in it: SQLite
        does that on disk, while every text that is returned takes memory.

    Raises:
      DataPrepError: pyogrio is not installed, the file cannot be read or lacks a column.
    """
    try:
        import pyogrio
    except ImportError as error:
        raise DataPrepError(f"{path}: needs pyogrio to be read: pip install 'mmae_jax[prep]'") from error
    if not path.exists():
        raise DataPrepError(f"{path}: not found")
    with naming_errors(path, DataPrepError):
        _check_format(path)
        info = pyogrio.read_info(str(path))
        check_columns(path, columns, list(info["fields"]))
        sql = query.format(columns=", ".join(map(_quoted, columns)), layer=_quoted(info["layer_name"]))
        *_, fields = pyogrio.raw.read(str(path), sql=sql, read_geometry=False)
    return list(zip(*fields, strict=True))


def check_once(path: Path, column: str) -> None:
    """Raises a `DataPrepError` if a value of `column` occurs in two rows of the first layer; names both."""
    query = "SELECT {columns}, min(rowid), max(rowid) FROM {layer} GROUP BY 1 HAVING count(*) > 1 LIMIT 1"
    for value, first, last in read_rows(path, (column,), query):
        raise DataPrepError(f"{path}: {column} {value}: expected once, found in row {first} and in row {last}")


def _check_format(path: Path) -> None:
    """Raises a `DataPrepError` if a file does not begin as its name says: GDAL would follow what a virtual one says."""
    check_file(path)
    with path.open("rb") as file:
        begin = file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
    expected = BEGINNINGS.get(path.suffix.lower())
    if expected is None or not begin.startswith(expected):
        raise DataPrepError(f"{path}: cannot be read (expected the content of a {path.suffix or 'vector'} file)")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

"""Writes GeoPackages of squares with attributes."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.errors import DataPrepError


def square(west: float, north: float, side: float) -> bytes:
    """Returns the WKB polygon of a square."""
    east, south = west + side, north - side
    ring = (west, north, east, north, east, south, west, south, west, north)
    return struct.pack("<BIII10d", 1, 3, 1, 5, *ring)


def write_table(
    path: Path, columns: Mapping[str, Sequence[Any]], squares: Sequence[bytes], crs: str = "EPSG:2154"
) -> None:
    """Writes one layer with a geometry and attributes a row: text, or arrays of numbers.

    Raises:
      DataPrepError: pyogrio is not installed.
    """
    try:
        import pyogrio
    except ImportError as error:
        raise DataPrepError(f"{path}: needs pyogrio to be written: pip install 'mmae_jax[prep]'") from error
    pyogrio.raw.write(
        path,
        geometry=np.array(squares, object),
        field_data=[
            values if isinstance(values, np.ndarray) else np.array(values, object) for values in columns.values()
        ],
        fields=list(columns),
        geometry_type="Polygon",
        crs=crs,
        driver="GPKG",
    )

"""Writes GeoPackages of squares with attributes."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from data_prep.errors import DataPrepError


def square(west: float, north: float, side: float) -> bytes:
    """Returns the WKB polygon of a square."""
    east, south = west + side, north - side
    ring = (west, north, east, north, east, south, west, south, west, north)
    return struct.pack("<BIII10d", 1, 3, 1, 5, *ring)


def write_table(path: Path, columns: Mapping[str, Sequence[str]], squares: Sequence[bytes]) -> None:
    """Writes one layer, in Lambert-93, with a geometry and text attributes a row.

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
        field_data=[np.array(values, object) for values in columns.values()],
        fields=list(columns),
        geometry_type="Polygon",
        crs="EPSG:2154",
        driver="GPKG",
    )

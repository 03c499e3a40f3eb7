"""Checks that all readers of raw files share: whatever is not as published is named."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from data_prep.errors import TileError


@contextlib.contextmanager
def naming_errors(path: Path) -> Iterator[None]:
    """Turns what rasterio and h5py raise for an absent or damaged file into a `TileError` that names `path`."""
    try:
        yield
    except (OSError, KeyError, RuntimeError) as error:
        raise TileError(f"{path}: cannot be read ({' '.join(str(error).split())})") from error


def expect(path: Path, what: str, expected: object, found: object) -> None:
    """Raises a `TileError` if `found`, the property `what` of file `path`, is not `expected`."""
    if expected != found:
        raise TileError(f"{path}: {what}: expected {expected}, found {found}")


def read_array(file: h5py.File, key: str, path: Path, shape: tuple[int | None, ...]) -> np.ndarray:
    """Returns the array `key` of an open file.

    Args:
      file: open HDF5 file.
      key: name of the array.
      path: of the file, for messages.
      shape: expected; None matches any length.

    Raises:
      TileError: the shape differs or the values are not numbers.
      KeyError: there is no such array; see `naming_errors`.
    """
    array: np.ndarray = file[key][()]
    matches = len(array.shape) == len(shape) and all(
        wanted in (None, size) for wanted, size in zip(shape, array.shape, strict=True)
    )
    if not matches:
        expected = " × ".join("any" if size is None else str(size) for size in shape)
        raise TileError(f"{path}: {key}: expected shape {expected}, found {' × '.join(map(str, array.shape))}")
    if array.dtype.kind not in "fiu":
        raise TileError(f"{path}: {key}: expected numbers, found dtype {array.dtype}")
    return array

"""Opening raw files, local or in an object store, and the checks all readers share: what is not as published is named.

A path is a `pathlib.Path`, or an `etils.epath.Path` for `gs://` and `s3://` (extra `gs` or `s3`). Only the first of
both has all of pathlib, so readers use no more than `/`, `name`, `exists`, `iterdir`, `glob` and `read_text`.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import rasterio

from data_prep.errors import TileError, naming_errors
from data_prep.shards.storage import is_local


@contextlib.contextmanager
def open_raster(path: Path) -> Iterator[rasterio.DatasetReader]:
    """Opens an image of any format GDAL reads, as a `rasterio` dataset.

    Raises:
      TileError: the file is absent or damaged; also where that shows while it is read.
    """
    with naming_errors(path), contextlib.ExitStack() as stack:
        # read by Python, so that one set of credentials opens all files of an object store
        file = path if is_local(path) else stack.enter_context(path.open("rb"))
        yield stack.enter_context(rasterio.open(file))


@contextlib.contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Opens an HDF5 file for reading.

    Raises:
      TileError: the file is absent or damaged, or has no array of an asked name; also where that shows later.
    """
    with naming_errors(path), contextlib.ExitStack() as stack:
        file = path if is_local(path) else stack.enter_context(path.open("rb"))
        yield stack.enter_context(h5py.File(file, "r"))


def load_npy(path: Path) -> np.ndarray:
    """Returns the array of a `.npy` file: read-only and memory-mapped where local, so that only used parts are read.

    Raises:
      TileError: the file is absent, cut short, or holds Python objects, which are not loaded.
    """
    with naming_errors(path):
        if is_local(path):
            return np.lib.format.open_memmap(path, mode="r")
        return np.lib.format.read_array(io.BytesIO(path.read_bytes()), allow_pickle=False)


def expect(path: Path, what: str, expected: object, found: object) -> None:
    """Raises a `TileError` if `found`, the property `what` of file `path`, is not `expected`."""
    if expected != found:
        raise TileError(f"{path}: {what}: expected {expected}, found {found}")


def get_array(file: h5py.File, key: str, path: Path) -> h5py.Dataset:
    """Returns the array `key` of the open file `path`, unread.

    Raises:
      TileError: `key` is a group or a type.
      KeyError: there is no such array; `open_hdf5` names the file.
    """
    found = file[key]
    if not isinstance(found, h5py.Dataset):
        raise TileError(f"{path}: {key}: expected an array, found a {type(found).__name__.lower()}")
    return found


def read_array(file: h5py.File, key: str, path: Path, shape: tuple[int | None, ...]) -> np.ndarray:
    """Returns the array `key` of an open file.

    Args:
      file: open HDF5 file.
      key: name of the array.
      path: the file, for messages.
      shape: expected; None matches any length.

    Raises:
      TileError: the shape differs or the values are not numbers.
      KeyError: there is no such array; `open_hdf5` names the file.
    """
    array: np.ndarray = get_array(file, key, path)[()]
    matches = len(array.shape) == len(shape) and all(
        wanted in (None, size) for wanted, size in zip(shape, array.shape, strict=True)
    )
    if not matches:
        expected = " × ".join("any" if size is None else str(size) for size in shape)
        raise TileError(f"{path}: {key}: expected shape {expected}, found {' × '.join(map(str, array.shape))}")
    if array.dtype.kind not in "fiu":
        raise TileError(f"{path}: {key}: expected numbers, found dtype {array.dtype}")
    return array

"""Arrays of HDF5 files, whose content is in the file itself and as large as expected before any of it is read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from data_prep.errors import TileError, naming_errors
from data_prep.readers.inside import check_file
from data_prep.shards.storage import is_local

LARGEST_BYTES = 2**30
"""Of an array of one tile."""


@contextlib.contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Opens an HDF5 file for reading; call what reads it through `isolated.call`, since a damaged file may hang.

    Raises:
      TileError: the file is absent or damaged, or has no array of an asked name; also where that shows later.
    """
    check_file(path)
    with naming_errors(path), contextlib.ExitStack() as stack:
        file = path if is_local(path) else stack.enter_context(path.open("rb"))
        yield stack.enter_context(h5py.File(file, "r"))


def has_array(file: h5py.File, key: str, path: Path) -> bool:
    """Returns whether the open file `path` has an entry `key`.

    Raises:
      TileError: it is a link, perhaps into another file.
    """
    links = file.id.links
    if not links.exists(key.encode()):
        return False
    if links.get_info(key.encode()).type != h5py.h5l.TYPE_HARD:
        raise TileError(f"{path}: {key}: expected an array in the file itself, found a link")
    return True


def get_array(file: h5py.File, key: str, path: Path) -> h5py.Dataset:
    """Returns the array `key` of the open file `path`, unread.

    Raises:
      TileError: `key` is a group or a type, is stored elsewhere, or larger than any tile.
      KeyError: there is no such array; `open_hdf5` names the file.
    """
    has_array(file, key, path)
    found = file[key]
    if not isinstance(found, h5py.Dataset):
        raise TileError(f"{path}: {key}: expected an array, found a {type(found).__name__.lower()}")
    if found.external or found.is_virtual:
        raise TileError(f"{path}: {key}: expected an array in the file itself, found one that is stored in others")
    if found.shape is None or found.nbytes > LARGEST_BYTES:
        size = "nothing" if found.shape is None else f"{found.nbytes / 2**30:.3g} GiB"
        raise TileError(f"{path}: {key}: expected at most {LARGEST_BYTES / 2**30:g} GiB, found {size}")
    return found


def read_array(file: h5py.File, key: str, path: Path, shape: tuple[int | None, ...]) -> np.ndarray:
    """Returns the array `key` of an open file.

    Args:
      file: open HDF5 file.
      key: name of the array.
      path: the file, for messages.
      shape: expected; None matches any length.

    Raises:
      TileError: as `get_array`, or the shape differs or the values are not numbers.
      KeyError: there is no such array; `open_hdf5` names the file.
    """
    array = get_array(file, key, path)
    matches = len(array.shape) == len(shape) and all(
        wanted in (None, size) for wanted, size in zip(shape, array.shape, strict=True)
    )
    if not matches:
        expected = " × ".join("any" if size is None else str(size) for size in shape)
        raise TileError(f"{path}: {key}: expected shape {expected}, found {' × '.join(map(str, array.shape))}")
    if array.dtype.kind not in "fiu":
        raise TileError(f"{path}: {key}: expected numbers, found dtype {array.dtype}")
    values: np.ndarray = array[()]
    return values

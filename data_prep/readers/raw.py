"""Opening raw files, local or in an object store, and the checks all readers share: what is not as published is named.

A path is a `pathlib.Path`, or an `etils.epath.Path` for `gs://` and `s3://` (extra `gs` or `s3`). Only the first of
both has all of pathlib, so readers use no more than `/`, `name`, `exists`, `iterdir`, `glob` and `read_text`.
"""

from __future__ import annotations

import contextlib
import glob
import io
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rasterio

from data_prep.errors import TileError, naming_errors
from data_prep.errors import expect as expect
from data_prep.readers.accepted import is_accepted
from data_prep.readers.inside import check_file
from data_prep.shards.storage import is_local

DRIVERS = {".png": "PNG", ".jp2": "JP2OpenJPEG", ".jpg": "JPEG", ".jpeg": "JPEG"}
"""Ending of a file's name → the one format that it is read as; all others are read as GeoTIFF.

None of them refers to other files. GDAL's own guess would follow what the content says, also to other files and URLs.
"""
LARGEST_BYTES = 2**32
"""Of a raster, and of each of its blocks: what declares more is damaged."""


@contextlib.contextmanager
def open_raster(path: Path, ending: str | None = None) -> Iterator[rasterio.DatasetReader]:
    """Opens an image as a `rasterio` dataset; files beside it are not looked at, but for `.aux.xml`.

    Args:
      path: the file, or what GDAL calls a part of one.
      ending: of its name, which tells the format; that of `path` by default.

    Raises:
      TileError: the file is absent, damaged or in another format, or declares more than a tile can have; also where
        that shows while it is read.
    """
    check_file(path)
    ending = path.suffix if ending is None else ending
    driver = DRIVERS.get(ending.lower(), "GTiff")
    with naming_errors(path), contextlib.ExitStack() as stack:
        # read by Python, so that one set of credentials opens all files of an object store
        file = path if is_local(path) else stack.enter_context(path.open("rb"))
        stack.enter_context(rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN=_siblings(path)))
        raster = stack.enter_context(rasterio.open(file, driver=driver))
        _check_bytes(path, raster)
        if len(raster.subdatasets) > 1:  # of which only the first would be read
            raise TileError(f"{path}: expected one image, found {len(raster.subdatasets)} pages")
        yield raster


def _siblings(path: Path) -> str:
    """Returns what GDAL is to know of the files beside a raster: nothing, unless one describes it."""
    beside = path.with_name(f"{path.name}.aux.xml")
    if not is_local(path) or not beside.exists():
        return "EMPTY_DIR"
    others = (each for each in path.parent.glob(f"{glob.escape(path.stem)}.*") if each != path)
    if not is_accepted("links") and any(each.is_symlink() for each in others):
        raise TileError(f"{beside}: expected no link beside an image that it describes, found one")
    return "TRUE"


def _check_bytes(path: Path, file: rasterio.DatasetReader) -> None:
    size = max(np.dtype(dtype).itemsize for dtype in set(file.dtypes[:64])) * file.count
    declared = max(math.prod(shape) for shape in (file.shape, file.block_shapes[0])) * size
    if declared > LARGEST_BYTES:
        raise TileError(
            f"{path}: size: expected at most {LARGEST_BYTES / 2**30:g} GiB, "
            f"found {file.width} × {file.height} pixels of {file.count} bands, {declared / 2**30:.3g} GiB"
        )


def load_npy(path: Path) -> np.ndarray:
    """Returns the array of a `.npy` file: memory-mapped where local, so that only used parts are read.

    Numbers that a machine of another kind wrote have the byte order of this one.

    Raises:
      TileError: the file is absent, cut short, or holds Python objects, which are not loaded.
    """
    check_file(path)
    with naming_errors(path):
        if is_local(path):
            array: np.ndarray = np.lib.format.open_memmap(path, mode="r")
        else:
            array = np.lib.format.read_array(io.BytesIO(path.read_bytes()), allow_pickle=False)
        return np.asarray(array, array.dtype.newbyteorder("="))

"""Open files of a scene: as the format that they are named like, and the most used ones stay open."""

from __future__ import annotations

import collections
import os
import resource
import threading
from pathlib import Path

import rasterio

from data_prep.errors import TileError, naming_errors
from data_prep.readers.accepted import refuse
from data_prep.readers.inside import check_file
from data_prep.readers.raw import DRIVERS

MOST_OPEN = 512
"""Files of one thread, and no more than a quarter of what the system lets a process open."""
CACHE_MEGABYTES = 256
"""Of decoded blocks in a process: GDAL's own default is a share of the machine's memory."""

_own = threading.local()


def opened(path: str) -> rasterio.DatasetReader:
    """Returns an open file of this process and thread: GDAL's must not be shared.

    Raises:
      TileError: the file is absent, damaged, or in another format than its name says.
    """
    if getattr(_own, "process", None) != os.getpid():
        _own.process, _own.files = os.getpid(), collections.OrderedDict()
    files: collections.OrderedDict[str, rasterio.DatasetReader] = _own.files
    if path not in files:
        files[path] = _open(path)
        while len(files) > min(MOST_OPEN, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4):
            files.popitem(last=False)[1].close()
    files.move_to_end(path)
    return files[path]


def environment() -> rasterio.Env:
    """Returns GDAL's settings for a scene: nothing beside a file is looked at, and memory is bounded."""
    return rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR", GDAL_CACHEMAX=CACHE_MEGABYTES)


def state(path: str) -> str:
    """Returns what tells that a file has changed: size and time of a local one, the size of its raster of others."""
    with naming_errors(path):
        if "://" in path:
            return " × ".join(map(str, opened(path).shape))
        found = os.stat(path)
        return f"{found.st_size} {found.st_mtime_ns}"


def _open(path: str) -> rasterio.DatasetReader:
    if "://" not in path:
        check_file(Path(path))
        if os.path.exists(f"{path}.msk"):
            refuse("masks", f"{path}: mask: expected missing pixels as nodata or inside the file, found {path}.msk")
    ending = os.path.splitext(path)[1].lower()
    driver = "VRT" if ending == ".vrt" else DRIVERS.get(ending, "GTiff")
    with naming_errors(path), environment():
        file = rasterio.open(path, driver=driver)
    if len(file.subdatasets) > 1:
        raise TileError(f"{path}: expected one image, found {len(file.subdatasets)} pages")
    return file

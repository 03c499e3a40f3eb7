"""Raw files stay below the raw folder, and are files: names in tables, links and pipes lead nowhere else."""

from __future__ import annotations

import functools
import os
import stat
from pathlib import Path, PurePosixPath

from data_prep.errors import TileError
from data_prep.readers.accepted import refuse
from data_prep.shards.storage import is_local


def inside(raw_dir: Path, *parts: str) -> Path:
    """Returns the path of a file below `raw_dir`, whether or not it exists.

    Args:
      raw_dir: the raw folder, which may be a link itself.
      *parts: what leads from there to the file; tables and names of other files may tell them.

    Raises:
      TileError: they lead out of `raw_dir`, by name or by a link that is not accepted (`--accept=links`).
    """
    for part in parts:
        if not part or "\0" in part or PurePosixPath(part).is_absolute() or ".." in PurePosixPath(part).parts:
            raise TileError(f"{raw_dir}: expected the name of a file below it, found {'/'.join(parts)[:80]!r}")
    path = raw_dir.joinpath(*parts)
    check_links(raw_dir, path)
    return path


def check_links(raw_dir: Path, path: Path) -> None:
    """Raises a `TileError` if a local file below `raw_dir` is, or is in, a link out of it that is not accepted."""
    if not is_local(path):
        return  # there are no links in object stores
    real, root = os.path.realpath(path), _real(str(raw_dir))
    if os.path.commonpath([real, root]) != root:
        refuse("links", f"{path}: expected a file below {raw_dir}, found a link to {real}")


def check_file(path: Path) -> None:
    """Raises a `TileError` if a local path is there but no file: reading a pipe or a device would never end."""
    try:
        mode = os.stat(path).st_mode if is_local(path) else stat.S_IFREG
    except OSError:
        return  # who opens it says why
    if not stat.S_ISREG(mode):
        raise TileError(f"{path}: expected a file, found {'a folder' if stat.S_ISDIR(mode) else 'a pipe or device'}")


@functools.lru_cache(maxsize=16)
def _real(folder: str) -> str:
    return os.path.realpath(folder)

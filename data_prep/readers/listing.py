"""Which files there are: those of a pattern, without what operating systems and GDAL leave beside them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from data_prep.errors import DataPrepError, naming_errors
from data_prep.shards.storage import entries, is_local

ANY_DEPTH = "**"
BESIDE = re.compile(r"^(?:__MACOSX|@eaDir|Thumbs\.db|desktop\.ini)$|\.(?:aux\.xml|tiff?\.xml|ovr|msk|tfw|wld)$", re.I)
"""Names of what systems and GDAL leave beside files: thumbnails, statistics, overviews, masks, world files."""


def find_files(folder: Path, pattern: str) -> list[str]:
    """Returns the files below `folder` that match a pattern, as paths below it, sorted.

    Args:
      folder: local or in an object store.
      pattern: path in which `*` stands for anything within a name, and a whole name `**` for folders of any depth;
        all else, brackets too, is literal. Hidden files (resource forks of macOS are) and names of `BESIDE` match only
        where the pattern begins or ends like them.

    Raises:
      DataPrepError: a folder cannot be listed; names it.
    """
    return sorted(_below(folder, tuple(pattern.split("/"))))


def _below(folder: Path, names: tuple[str, ...]) -> Iterator[str]:
    name, *rest = names
    if name == ANY_DEPTH:
        yield from _below(folder, tuple(rest))
        for found in _listed(folder, "*", folders=True):
            _check_no_loop(folder / found)
            yield from (f"{found}/{path}" for path in _below(folder / found, names))
    elif not rest:
        yield from _listed(folder, name, folders=False)
    else:
        inside = [name] if "*" not in name else _listed(folder, name, folders=True)
        yield from (f"{found}/{path}" for found in inside for path in _below(folder / found, tuple(rest)))


def _check_no_loop(folder: Path) -> None:
    """Raises a `DataPrepError` if a folder is a link to one that it is in: its depth would have no end."""
    is_link = is_local(folder) and os.path.islink(folder)
    if is_link and Path(os.path.realpath(folder.parent)).is_relative_to(os.path.realpath(folder)):
        raise DataPrepError(f"{folder}: expected a folder, found a link to one that it is in")


def _listed(folder: Path, name: str, folders: bool) -> list[str]:
    """Returns the names of files, or of `folders`, that match `name`; none where there is no such folder."""
    with naming_errors(folder, DataPrepError):
        try:
            found = entries(folder)
        except (FileNotFoundError, NotADirectoryError):
            return []
    expression = re.compile(".*".join(map(re.escape, name.split("*"))), re.DOTALL)
    return [
        each
        for each, is_folder in found
        if is_folder == folders and expression.fullmatch(each) and not _left_out(each, name)
    ]


def _left_out(found: str, name: str) -> bool:
    hidden = found.startswith(".") and not name.startswith(".")
    return hidden or (BESIDE.search(found) is not None and BESIDE.search(name) is None)

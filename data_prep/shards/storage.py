"""Files on disks and in object stores: what `pathlib` and `epath` do not do alike, or not safely.

An object store has no renames and no locks, but an object appears at once and whole.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import fsspec

from data_prep.errors import DataPrepError


def is_local(path: Path) -> bool:
    """Returns whether `path` is on a disk or a shared filesystem, so that programs other than Python can open it."""
    return "://" not in str(path)


def check_reachable(flag: str, path: Path) -> None:
    """Raises a `DataPrepError` if `path` is in an object store that cannot be asked: no package, no credentials, …"""
    if is_local(path):
        return
    if len(path.parts) < 4:  # "/", scheme, bucket
        raise DataPrepError(f"{flag}: {path}: expected a folder in a bucket")
    try:
        path.exists()
    except Exception as error:  # every store has errors of its own
        raise DataPrepError(f"{flag}: {path}: cannot be reached ({' '.join(str(error).split())})") from error


def publish(temporary: Path, target: Path) -> None:
    """Makes a local file appear as `target`, at once and whole; on a disk, `temporary` is gone then."""
    if is_local(target):
        temporary.replace(target)
    else:
        # not through an open file: closing that, also because of an error, would publish a part
        filesystem, name = fsspec.core.url_to_fs(str(target))
        filesystem.put_file(str(temporary), name)


@contextlib.contextmanager
def local_copy(path: Path) -> Iterator[Path]:
    """Gives a local file with the content of `path`: itself, or a copy that is deleted in the end."""
    if is_local(path):
        yield path
        return
    filesystem, name = fsspec.core.url_to_fs(str(path))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        filesystem.get_file(name, str(copy))
        yield copy


def file_names(folder: Path) -> set[str]:
    """Returns the names in a folder, also of what other machines have just written."""
    if is_local(folder):
        return {path.name for path in folder.iterdir()}
    filesystem, name = fsspec.core.url_to_fs(str(folder))
    filesystem.invalidate_cache()
    return {path.rstrip("/").rpartition("/")[2] for path in filesystem.ls(name, detail=False)}


def entries(folder: Path) -> list[tuple[str, bool]]:
    """Returns the names in a folder, and whether each is a folder itself; raises an `OSError`."""
    if is_local(folder):
        with os.scandir(folder) as found:
            return [(entry.name, entry.is_dir()) for entry in found]
    filesystem, name = fsspec.core.url_to_fs(str(folder))
    return [(each["name"].rstrip("/").rpartition("/")[2], each["type"] == "directory") for each in filesystem.ls(name)]


def file_size(path: Path) -> int:
    """Returns the size of a file in bytes; raises `FileNotFoundError`."""
    if is_local(path):
        return path.stat().st_size
    filesystem, name = fsspec.core.url_to_fs(str(path))
    return int(filesystem.info(name, refresh=True)["size"])


def flush_folder(folder: Path) -> None:
    """Waits until the files in a local folder are on the disk; a power failure could leave names without content."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def delete_folder(folder: Path) -> None:
    """Deletes a folder and all in it."""
    if is_local(folder):
        shutil.rmtree(folder)
    else:
        filesystem, name = fsspec.core.url_to_fs(str(folder))
        filesystem.rm(name, recursive=True)

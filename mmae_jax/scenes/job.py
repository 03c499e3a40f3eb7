"""Work on a scene that goes on where it was interrupted: groups of squares, each kept by itself until it is used.

Beside the output stands its folder, `<output>.partial`: `job.json` says what is being made, so that nobody goes on with
another model, `squares/` holds what was computed of each group of squares, `strips/` the finished rows of the output.
They appear by renaming: what was killed while it was written does not count. Several machines that see the folder may
work on one job.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from etils import epath

from mmae_jax.formats import begun_otherwise, naming_folder
from mmae_jax.spec import SpecError
from mmae_jax.spec.error import shown
from mmae_jax.train.exclusive import exclusive

FORMAT_VERSION = 1
JOB_FILE = "job.json"
SQUARES, STRIPS, THUMBNAILS = "squares", "strips", "thumbnails"


class Job:
    """The folder of unfinished work on one output."""

    def __init__(self, out: Path, description: Mapping[str, Any]) -> None:
        """Begins the work, or goes on with it.

        Args:
          out: the output.
          description: JSON values: what decides about the output.

        Raises:
          SpecError: the output is there already, or work was begun of another description: names what differs.
        """
        check_out(out)
        self.out = out
        self.folder = out.with_name(f"{out.name}.partial")
        file = self.folder / JOB_FILE
        self.folder.mkdir(exist_ok=True)
        if (other := begun_otherwise(epath.Path(file), FORMAT_VERSION, description)) is not None:
            before, now = _difference(*other[1:])
            raise SpecError(
                f"{self.folder}: was begun with {other[0]} {shown(before)}, found {shown(now)}; delete it to begin anew"
            )

    def alone(self) -> contextlib.AbstractContextManager[None]:
        """Makes sure that nobody else puts the output together while this is entered.

        Raises:
          InUseError: somebody does.
        """
        return exclusive(epath.Path(self.folder))

    def has(self, kind: str, number: int) -> bool:
        """Returns whether a group (`SQUARES`, `THUMBNAILS`) or a strip (`STRIPS`) is kept."""
        return self._path(kind, number).is_dir()

    def keep(self, kind: str, number: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Keeps the arrays of a group or a strip; the first one stays where two machines made the same."""
        path = self._path(kind, number)
        beside = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
        with naming_folder(self.folder):
            try:
                beside.mkdir(parents=True)
                for name, array in arrays.items():
                    _save(beside / f"{name}.npy", array)
                try:
                    os.rename(beside, path)
                except OSError:  # which one depends on the filesystem
                    if not path.is_dir():
                        raise
            finally:
                shutil.rmtree(beside, ignore_errors=True)

    def array(self, kind: str, number: int, name: str) -> np.ndarray:
        """Returns an array of what is kept, in the file: only what is used of it is read."""
        array: np.ndarray = np.load(self._path(kind, number) / f"{name}.npy", mmap_mode="r")
        return array

    def drop(self, kind: str, number: int) -> None:
        """Deletes what is used up."""
        shutil.rmtree(self._path(kind, number), ignore_errors=True)

    @contextlib.contextmanager
    def finished(self, *names: str) -> Iterator[tuple[Path, ...]]:
        """Gives paths for the files of the output; they appear together at the end, and the folder goes.

        Args:
          names: of the files, beside the output; the output itself is the last to appear.
        """
        paths = tuple(self.folder / name for name in names)
        with naming_folder(self.folder):
            yield paths
        for path, name in sorted(zip(paths, names, strict=True), key=lambda pair: pair[1] == self.out.name):
            os.replace(path, self.out.with_name(name))
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, kind: str, number: int) -> Path:
        return self.folder / kind / f"{number:06d}"


def check_out(out: Path) -> None:
    """Raises a `SpecError` where an output is there already, or has no folder to be in."""
    if out.exists():
        raise SpecError(f"--out: {out} exists already; delete it, or choose another")
    if not out.parent.is_dir():
        raise SpecError(f"--out: expected an existing folder for {out.name}, found none at {out.parent}")


def _save(path: Path, array: np.ndarray) -> None:
    """Writes an array; numpy says of a full disk how much it wrote, and no more."""
    try:
        np.save(path, array)
    except OSError as error:
        if error.errno is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        raise


def _difference(before: Any, now: Any) -> tuple[Any, Any]:
    """Returns what differs: of lists, the first items that do."""
    if isinstance(before, list) and isinstance(now, list):
        return next(pair for pair in itertools.zip_longest(before, now) if pair[0] != pair[1])
    return before, now

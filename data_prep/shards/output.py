"""The folder shards are written to: complete or absent, on a disk, a shared filesystem or in an object store.

On a filesystem everything is written to the sibling `<out_dir>.partial`, and `out_dir` appears by one rename. Object
stores cannot rename but by copying, while a single object appears at once and whole: there, shards go straight to
`out_dir`, only the reports to the sibling, and the manifest is the object that makes `out_dir` complete.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Set
from pathlib import Path
from typing import Any

from data_prep.errors import DataPrepError
from data_prep.shards.storage import delete_folder, file_names, flush_folder, is_local, publish
from mmae_jax.formats import MANIFEST_FILE

_SETTINGS = "settings.json"
_WORK = "work"


@dataclasses.dataclass(frozen=True)
class Output:
    """Where the parts of the result stand until it is complete; picklable.

    Attributes:
      out_dir: the folder to make.
    """

    out_dir: Path

    @property
    def partial(self) -> Path:
        """The sibling that is there until the result is complete."""
        return self.out_dir.with_name(self.out_dir.name + ".partial")

    @property
    def data(self) -> Path:
        """Folder of the finished shards."""
        return self.partial / "data" if is_local(self.out_dir) else self.out_dir

    @property
    def reports(self) -> Path:
        """Folder of what happened while they were written."""
        return self.partial / "reports"

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Makes sure that no other process of this machine or shared filesystem prepares the same folder.

        In an object store there are no locks: there, two runs with the same settings write the same objects twice.

        Raises:
          DataPrepError: one does, or `out_dir` exists.
        """
        refuse_existing(self.out_dir)
        if not is_local(self.out_dir):
            yield
            return
        self.partial.mkdir(parents=True, exist_ok=True)
        folder = os.open(self.partial, os.O_RDONLY)
        try:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)  # ends with the process, however that ends
            except BlockingIOError as error:
                raise DataPrepError(
                    f"{self.partial}: another process is writing to it; wait for it, or choose another --out_dir"
                ) from error
            refuse_existing(self.out_dir)  # by a process that has completed it since
            yield
        finally:
            os.close(folder)

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Makes the working folders, or continues in those of an interrupted run.

        Args:
          settings: JSON types that must not change between a run and its continuation.

        Raises:
          DataPrepError: they did, or cannot be read.
        """
        path = self.partial / _SETTINGS
        if path.exists():
            _compare(self.partial, path, settings)
        if is_local(self.out_dir):
            shutil.rmtree(self.partial / _WORK, ignore_errors=True)  # shards an interrupted run left half written
            for folder in (self.data, self.reports, self.partial / _WORK):
                folder.mkdir(parents=True, exist_ok=True)
        self.write_text(path, json.dumps(settings))

    @contextlib.contextmanager
    def temporary(self, name: str) -> Iterator[Path]:
        """Gives a local file name that no other task uses; what is left of the file is deleted in the end."""
        folder = self.partial / _WORK if is_local(self.out_dir) else Path(tempfile.gettempdir())
        path = folder / f"{name}.{uuid.uuid4().hex}"
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def write_text(self, target: Path, text: str) -> None:
        """Makes a file of `text` appear, at once and whole."""
        with self.temporary(target.name) as temporary:
            temporary.write_text(text, encoding="utf-8")
            publish(temporary, target)

    def keep_only(self, names: Set[str]) -> None:
        """Deletes what else an interrupted run left among the shards `names`: metadata, perhaps half written."""
        for name in file_names(self.data) - names:
            (self.data / name).unlink()

    def complete(self) -> None:
        """Makes `out_dir` appear, or deletes what is beside it, after everything was written."""
        if is_local(self.out_dir):
            flush_folder(self.data)
            self.data.rename(self.out_dir)
        self.discard()

    def discard(self) -> None:
        """Deletes the working folder; on a filesystem, with what was written so far."""
        delete_folder(self.partial)


def refuse_existing(out_dir: Path) -> None:
    """Raises a `DataPrepError` if `out_dir` exists, other than as what an interrupted run left in an object store."""
    taken = out_dir.exists()
    if taken and not is_local(out_dir):
        begun = (Output(out_dir).partial / _SETTINGS).exists()
        taken = not begun or (out_dir / MANIFEST_FILE).exists()
    if taken:
        raise DataPrepError(f"--out_dir: {out_dir} exists already; name a new folder or delete it first")


def _compare(folder: Path, path: Path, settings: Mapping[str, Any]) -> None:
    try:
        earlier = dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise DataPrepError(f"{path}: cannot be read ({error}); delete the folder to begin anew") from error
    for name, value in settings.items():
        if earlier.get(name) != value:
            # a checksum of the tiles' names tells nobody anything
            what = "other tiles" if name == "tiles" else f"{name} {earlier.get(name)}, now {value}"
            raise DataPrepError(
                f"{folder}: was begun with {what}; repeat the earlier command to continue it, or delete the folder"
            )

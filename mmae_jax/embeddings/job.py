"""What is computed so far, in a folder beside what is to be written: any process may die, and others may help."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmae_jax.contract import differences
from mmae_jax.formats import read_json
from mmae_jax.spec import SpecError

IDENTITY_FILE = "job.json"


class Job:
    """Units of work that are numbered from 0, each a file that is there once it is done."""

    def __init__(self, out: Path, identity: Mapping[str, Any], prepare: Callable[[Path], None]) -> None:
        """Begins, or goes on.

        Args:
          out: what will be written; its work is kept in `OUT.partial`.
          identity: what the result depends on, as JSON values.
          prepare: fills the new folder with what all units need.

        Raises:
          SpecError: the work that is there is for another result; names what differs.
        """
        self.folder = out.with_name(f"{out.name}.partial")
        if not self.folder.exists():
            self._begin(identity, prepare)
        found = read_json(self.folder / IDENTITY_FILE)
        if changed := differences(found, json.loads(json.dumps(identity))):
            raise SpecError(f"{self.folder}: was begun otherwise: {changed[0]}; remove it, or write to another --out")

    def _begin(self, identity: Mapping[str, Any], prepare: Callable[[Path], None]) -> None:
        """Makes the folder under its name at once: of several processes that begin, one does."""
        beside = self.folder.with_name(f".{self.folder.name}.{uuid.uuid4().hex}")
        beside.mkdir(parents=True)
        try:
            prepare(beside)
            (beside / IDENTITY_FILE).write_text(json.dumps(identity, indent=2) + "\n", encoding="utf-8")
            with contextlib.suppress(OSError):  # another process was faster
                os.rename(beside, self.folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    def path(self, unit: int) -> Path:
        """Returns the file of a unit."""
        return self.folder / f"unit-{unit:06d}.npz"

    def done(self, unit: int) -> bool:
        """Returns whether a unit is done."""
        return self.path(unit).exists()

    def finish(self, unit: int, arrays: Mapping[str, np.ndarray]) -> None:
        """Keeps the arrays of a unit, which is done then."""
        beside = self.path(unit).with_suffix(f".{uuid.uuid4().hex}")
        try:
            with beside.open("wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
            beside.replace(self.path(unit))
        finally:
            beside.unlink(missing_ok=True)

    def arrays(self, unit: int, *names: str) -> dict[str, np.ndarray]:
        """Returns the arrays of a unit, or those called `names`."""
        with np.load(self.path(unit), allow_pickle=False) as file:
            return {name: file[name] for name in names or file.files}

    def remove(self) -> None:
        """Removes the folder: all is written."""
        shutil.rmtree(self.folder)

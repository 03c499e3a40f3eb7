"""Vectors with names and targets in one file of numpy arrays, for this program itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmae_jax.embeddings.output import TARGET, Part, Task, Writer
from mmae_jax.scenes.job import Job

ARRAYS = ".npz"


class NumpyFile(Writer):
    """Writes `FILE.npz`."""

    def __init__(self, task: Task, targets: Sequence[str], out: Path) -> None:
        super().__init__(task, out)
        self._targets = tuple(targets)

    def assemble(self, job: Job) -> str:
        """Writes the arrays, unit after unit."""
        storage, units = self._task.storage, range(len(self._task.units))
        parts = [Part.read(job, unit, storage, self._targets) for unit in units]
        vectors = [storage.decode(part.stored) for part in parts if part.stored is not None]
        targets = {f"{TARGET}{name}": np.concatenate([part.targets[name] for part in parts]) for name in self._targets}
        known = {name: np.concatenate([getattr(part, name) for part in parts]) for name in ("names", "splits", "crops")}
        places = [place for part in parts for place in part.places]
        known |= {"crs": np.array([place.crs for place in places]), "centres": np.array([p.centre for p in places])}
        arrays = {"vectors": np.concatenate(vectors), **known, **targets}
        np.savez(job.folder / self._out.name, **arrays)  # type: ignore[arg-type]
        return f"numpy.load({str(self._out)!r})"

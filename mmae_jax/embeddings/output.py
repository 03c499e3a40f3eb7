"""What every kind of file is written from: the stored vectors of units of samples, and what is said of them."""

from __future__ import annotations

import abc
import dataclasses
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmae_jax.config import to_plain
from mmae_jax.contract import in_use
from mmae_jax.embeddings.compute import Rows
from mmae_jax.embeddings.places import Area, Place
from mmae_jax.embeddings.pooling import Pooling, reference
from mmae_jax.embeddings.storage import Storage, Stored
from mmae_jax.scenes.job import Job
from mmae_jax.spec import Experiment

FORMAT_VERSION = 1
UNITS = "units"
"""Kind under which a job keeps them."""
LARGEST_UNIT = 256
"""Samples that are lost at most when a process dies; a power of two."""
UNIT_BYTES = 1 << 27


@dataclasses.dataclass(frozen=True)
class Task:
    """What is written.

    Attributes:
      experiment: that of the model.
      pooling: which tokens are averaged.
      storage: how vectors are stored.
      width: numbers of a part of a vector.
      samples: how many there are.
      area: of a scene; None where tiles are embedded.
      model: where the model is.
      weights: what tells its weights from others.
      origins: what is embedded.
    """

    experiment: Experiment
    pooling: Pooling
    storage: Storage
    width: int
    samples: int
    area: Area | None
    model: str
    weights: str
    origins: tuple[str, ...]

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts of a vector."""
        return self.pooling.parts(self.experiment)

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the numbers of a vector."""
        return tuple(f"{part}.{index}" for part in self.parts for index in range(self.width))

    @property
    def grid(self) -> int:
        """Vectors per side of a sample."""
        return self.pooling.grid(self.experiment)

    @property
    def side(self) -> float:
        """Side of a sample [m]."""
        dataset = self.experiment.dataset
        return dataset.tile_meters * self.experiment.crop_cells / dataset.size_gcd

    @property
    def unit(self) -> int:
        """Samples that are computed and kept together: a power of two."""
        unit = LARGEST_UNIT
        while unit > 1 and unit * self.grid**2 * len(self.channels) * 4 > UNIT_BYTES:
            unit //= 2
        return unit

    @property
    def units(self) -> list[range]:
        """The samples of each unit; in a scene whole rows of squares, or runs in one of them."""
        run, unit = (self.samples if self.area is None else self.area.squares[1]), self.unit
        if run < unit:
            run = unit // run * run
            return [range(at, min(at + run, self.samples)) for at in range(0, self.samples, run)]
        starts = range(0, self.samples, run)
        return [range(at, min(at + unit, start + run)) for start in starts for at in range(start, start + run, unit)]

    def described(self) -> dict[str, Any]:
        """Returns what is said of the vectors in a file, as JSON values."""
        return {
            "format_version": FORMAT_VERSION,
            "model": self.model,
            "weights": self.weights,
            "source": list(self.origins),
            **dataclasses.asdict(self.pooling),
            "parts": list(self.parts),
            "width": self.width,
            "reference_input": reference(self.experiment),
            **self.storage.described(),
            "contract": to_plain(in_use(self.experiment.dataset, self.experiment)),
        }

    def text(self) -> str:
        """Returns `described` as JSON text."""
        return json.dumps(self.described(), ensure_ascii=False)


NAMES = ("names", "splits", "crops", "days", "crs", "which_crs", "affine")
"""Of what is kept of a unit beside its vectors."""
TARGET = "target_"


@dataclasses.dataclass(frozen=True)
class Part:
    """The samples of a unit, as they are kept.

    Attributes:
      stored: vectors `[N, g, g, C]`; None where the writer keeps them itself.
      names: names of the tiles `[N]`.
      splits: their splits `[N]`.
      crops: numbers of the crops `[N]`.
      days: datetime64[D] `[N, 2]`.
      places: `[N]`.
      targets: target → values as in a batch; of those that are read, none by commands.
    """

    stored: Stored | None
    names: np.ndarray
    splits: np.ndarray
    crops: np.ndarray
    days: np.ndarray
    places: list[Place]
    targets: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, rows: Rows, stored: Stored | None) -> Part:
        """Returns rows as they are kept."""
        abouts = rows.abouts
        names, splits = (np.array([getattr(about, name) for about in abouts]) for name in ("name", "split"))
        crops = np.array([about.crop for about in abouts], np.int32)
        return cls(stored, names, splits, crops, rows.dates, [about.place for about in abouts], rows.targets)

    def arrays(self) -> dict[str, np.ndarray]:
        """Returns it as arrays, for a file."""
        crs, which = np.unique([place.crs for place in self.places], return_inverse=True)
        affine = np.array([place.affine for place in self.places])
        known = (self.names, self.splits, self.crops, self.days.astype(np.int64), crs, which, affine)
        arrays = dict(zip(NAMES, known, strict=True))
        arrays |= {f"{TARGET}{name}": values for name, values in self.targets.items()}
        if self.stored is not None:
            arrays |= {"values": self.stored.values}
            if self.stored.scale is not None:
                arrays |= {"scale": self.stored.scale}
        return arrays

    @classmethod
    def read(cls, job: Job, unit: int, storage: Storage | None, targets: Iterable[str] = ()) -> Part:
        """Returns a unit that a job keeps as `arrays`, with its vectors where `storage` says how they are stored."""
        names, splits, crops, days, crs, which, affine = (job.array(UNITS, unit, name) for name in NAMES)
        places = [Place(str(crs[of]), tuple(each)) for of, each in zip(which, affine.tolist(), strict=True)]
        stored = None
        if storage is not None:
            scale = job.array(UNITS, unit, "scale") if storage.quantization == "pixel" else None
            stored = Stored(job.array(UNITS, unit, "values"), scale)
        known = {name: job.array(UNITS, unit, f"{TARGET}{name}") for name in targets}
        return cls(stored, names, splits, crops, days.astype("datetime64[D]"), places, known)


class Writer(abc.ABC):
    """A kind of file, written from vectors that the job keeps, unless it keeps them itself."""

    def __init__(self, task: Task, out: Path) -> None:
        self._task, self._out = task, out

    @property
    def files(self) -> tuple[Path, ...]:
        """What will be written."""
        return (self._out,)

    def prepare(self, folder: Path) -> None:  # noqa: B027 (most need nothing)
        """Puts into the folder of the job what all units need, if it is not there."""

    def keep(self, folder: Path, samples: range, stored: Stored) -> Stored | None:
        """Writes the vectors of a unit where they belong in the folder; returns those that the job is to keep."""
        return stored

    @abc.abstractmethod
    def assemble(self, job: Job) -> str:
        """Writes the files from a job whose units are all done, in its folder; returns how to open them."""

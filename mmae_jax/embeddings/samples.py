"""What is embedded, sample by sample, wherever it comes from; and its batches, with what is known of each sample."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any, Protocol

import jax
import numpy as np

from mmae_jax.data.batch import Batch
from mmae_jax.embeddings.places import Area, Place
from mmae_jax.spec import Experiment


@dataclasses.dataclass(frozen=True)
class About:
    """What is known of a sample beside its images.

    Attributes:
      name: of its tile.
      split: of its tile; empty in a scene.
      crop: which of the tile's crops it is (docs/method.md §2.1).
      place: where it lies.
    """

    name: str
    split: str
    crop: int
    place: Place


class Source(Protocol):
    """Samples in a fixed order; cheap to copy to another process, where files are opened at the first read.

    Attributes:
      experiment: how a sample is made.
      fingerprint: what tells these samples from others.
      origins: what it is read from, for the metadata of what is written.
    """

    experiment: Experiment
    fingerprint: str
    origins: Sequence[str]

    @property
    def area(self) -> Area | None:
        """Area of a scene, whose squares are the samples, row by row; None where tiles are."""

    def __len__(self) -> int: ...

    def sample(self, index: int) -> tuple[Batch, About]:
        """Returns a sample, without axis B, and what is known of it.

        Raises:
          DataError: it cannot be read; names file and place in it.
        """


class SampleBatches(Sequence[dict[str, Any]]):
    """The batches of some ranges of samples; each range ends with a batch that is completed by its last sample."""

    def __init__(self, source: Source, ranges: Sequence[range], batch_size: int) -> None:
        self._source, self._size = source, batch_size
        self._batches = [part[at : at + batch_size] for part in ranges for at in range(0, len(part), batch_size)]

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int) -> dict[str, Any]:  # type: ignore[override]
        """Returns `batch`, a `Batch`, and `about`, the JSON of what is known of its samples, as bytes `[N]`."""
        read = [self._source.sample(number) for number in self._batches[index]]
        samples = [sample for sample, _ in read]
        samples += [samples[-1] | {"weight": np.float32(0)}] * (self._size - len(samples))
        batch = jax.tree.map(lambda *leaves: np.stack(leaves), *samples)
        text = json.dumps([dataclasses.asdict(about) for _, about in read])
        return {"batch": batch, "about": np.frombuffer(text.encode(), np.uint8)}


def abouts(about: np.ndarray) -> list[About]:
    """Returns what is known of the samples of a batch, of those that do not just complete it."""
    return [About(**plain | {"place": Place(**plain["place"])}) for plain in json.loads(about.tobytes())]

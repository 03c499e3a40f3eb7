"""The samples of splits: what is known of each, their vectors and targets; computed once, whatever uses them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
from absl import logging

from mmae_jax import tasks
from mmae_jax.data.shards import open_shards
from mmae_jax.embeddings.embedded import Embedded, embedded
from mmae_jax.embeddings.pooling import Pooling
from mmae_jax.embeddings.samples import Source
from mmae_jax.evaluate.candidate import Candidate
from mmae_jax.evaluate.groups import GroupBy
from mmae_jax.evaluate.protocols import Labelled
from mmae_jax.spec import Experiment, Target

See = Callable[[Source], Source]
"""What a model sees of samples."""


@dataclasses.dataclass(frozen=True)
class Reading:
    """From where samples are read, and how.

    Attributes:
      shards: folder of prepared tiles.
      targets: names of the targets that are read.
      batch: samples that the devices work on at once.
      workers: processes that read ahead; 0 for threads.
      cache: folder of vectors that are kept.
    """

    shards: str
    targets: tuple[str, ...]
    batch: int
    workers: int
    cache: Path

    def vectors(self, candidate: Candidate, split: str, pooling: Pooling, seen: See | None = None) -> Embedded:
        """Returns vectors and targets of a split, from the folder where they are kept if they are there.

        Args:
          candidate: the model.
          split: name of the split.
          pooling: what a vector is made of.
          seen: what the model sees of the samples; all if None.

        Raises:
          SpecError: the shards are not there, or are not what the model expects.
        """
        return embedded(
            candidate.model,
            self.shards,
            (split,),
            self.targets,
            pooling,
            batch_size=self.batch,
            workers=self.workers,
            cache=self.cache,
            seen=seen,
        )

    def experiment(self, candidate: Candidate) -> Experiment:
        """Returns the experiment of a model on these shards."""
        experiment = candidate.model.experiment
        data = dataclasses.replace(experiment.data, dir=self.shards)
        return dataclasses.replace(experiment, data=data, targets=self.targets)

    def splits(self, candidate: Candidate) -> dict[str, int]:
        """Returns the number of samples of each split that is there."""
        shards = open_shards(self.experiment(candidate))
        return {split: shards.num_samples((split,)) for split in shards.files if shards.has_samples(split)}


def labelled(target: Target, name: str, found: Embedded, rows: np.ndarray, usual: np.ndarray) -> Labelled:
    """Returns some samples with one target.

    Args:
      target: its contract.
      name: its name.
      found: samples of a split.
      rows: numbers of the samples.
      usual: float32 `[C]`, what stands for numbers of a vector that are missing.
    """
    targets, vectors = found.targets[name][rows], found.vectors[rows]
    return Labelled(np.where(np.isfinite(vectors), vectors, usual), targets, counted(target, targets))


def counted(target: Target, targets: np.ndarray) -> np.ndarray:
    """Returns which places have a target, bool `[N]` or `[N, h, w]`."""
    return np.asarray(tasks.of(target).counted(target, targets, np.ones(len(targets), np.float32)))  # type: ignore[arg-type]


@dataclasses.dataclass(frozen=True)
class Parts:
    """Which samples are learnt from, chosen by and evaluated; numbers in their splits.

    Attributes:
      train, val: splits.
      train_rows, val_rows: samples that share no group with those evaluated.
    """

    train: Embedded
    val: Embedded
    train_rows: np.ndarray
    val_rows: np.ndarray


HELD_OUT = 5
"""One group of so many is held out of the training samples, where there are no others to choose by."""


def parted(train: Embedded, val: Embedded | None, tested: Embedded, group_by: GroupBy) -> Parts:
    """Returns what is learnt from and chosen by: no sample of a group that is evaluated, too.

    Args:
      train: training samples.
      val: samples to choose by; a part of the training samples is held out if None.
      tested: what is evaluated.
      group_by: what samples of a group have in common.
    """
    of_test = groups_of(tested, group_by)

    def apart(found: Embedded) -> np.ndarray:
        return np.flatnonzero(~np.isin(groups_of(found, group_by), of_test))

    train_rows = apart(train)
    if left := len(train.names) - len(train_rows):
        logging.info("%d of %d training samples are left out: their groups are evaluated", left, len(train.names))
    if val is not None:
        return Parts(train, val, train_rows, apart(val))
    names = groups_of(train, group_by)[train_rows]
    held = np.isin(names, np.random.default_rng(0).permutation(np.unique(names))[::HELD_OUT])
    return Parts(train, train, train_rows[~held], train_rows[held])


@dataclasses.dataclass(frozen=True)
class Known:
    """What groups of samples depend on, of N samples.

    Attributes:
      names: names of their tiles `[N]`.
      crs: coordinate systems in which they lie `[N]`; empty where that is not known.
      centres: x, y of their middle in it, float64 `[N, 2]`.
    """

    names: np.ndarray
    crs: np.ndarray
    centres: np.ndarray


def groups_of(found: Embedded | Known, group_by: GroupBy) -> np.ndarray:
    """Returns the names of the groups of samples `[N]`."""
    return group_by.names(found.names, found.crs, found.centres)

"""Going through the squares of a scene: read ahead, computed on all devices, kept, until done or told to end."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from absl import logging
from tqdm import tqdm

from mmae_jax.data.batch import Batch
from mmae_jax.exit_codes import UsageError
from mmae_jax.launch.signals import Signals
from mmae_jax.pretrained import Started
from mmae_jax.scenes.job import SQUARES, Job
from mmae_jax.scenes.scene import Scene
from mmae_jax.scenes.squares import batches_of, groups
from mmae_jax.scenes.tiling import Tiling
from mmae_jax.spec import Experiment

Arrays = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Share:
    """The part of the work that one machine of several does.

    Attributes:
      index: which one, from 0.
      count: of how many.
    """

    index: int
    count: int

    def of(self, things: Sequence[int]) -> Sequence[int]:
        """Returns a run of things that follow on each other."""
        first, last = (len(things) * end // self.count for end in (self.index, self.index + 1))
        return things[first:last]


def share(text: str) -> Share:
    """Returns what `i/n` says: part i, from 0 on, of n.

    Raises:
      UsageError: it is none.
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None or not int(match[1]) < int(match[2]):
        raise UsageError(f"--shard: expected i/n with i from 0 to n - 1, such as 0/4, found {text!r}")
    return Share(int(match[1]), int(match[2]))


@dataclasses.dataclass(frozen=True)
class Work:
    """What is computed of each square of a scene.

    Attributes:
      experiment: that of `squares.reading`, by which squares are read.
      scene: what is read.
      tiling: its squares.
      batch_size: squares that are computed at once, and kept together.
      program: starts to compute a batch on the devices.
      keep: from a batch and what was computed of it to arrays by kind (`job.SQUARES` among them) and name, each with
        an axis of squares first.
    """

    experiment: Experiment
    scene: Scene
    tiling: Tiling
    batch_size: int
    program: Callable[[Batch], Started]
    keep: Callable[[Batch, Any], Mapping[str, Arrays]]

    @property
    def groups(self) -> int:
        """Number of groups of squares."""
        return len(groups(self.tiling, self.batch_size))

    def go(self, job: Job, wanted: Sequence[int], after: Callable[[int], None] = lambda group: None) -> None:
        """Computes and keeps those groups of squares that are wanted and not kept yet.

        Args:
          job: where they are kept.
          wanted: numbers of groups, in order.
          after: called with the number of each group that was kept.

        Raises:
          DataError: a file cannot be read.
          Preempted: told to end; what was computed is kept.
        """
        every = groups(self.tiling, self.batch_size)
        missing = [group for group in wanted if not job.has(SQUARES, group)]
        total = sum(len(every[group]) for group in wanted)
        done = total - sum(len(every[group]) for group in missing)
        if done:
            logging.info("%s: goes on; %d of %d squares are done", job.folder, done, total)
        begun, waited, pending = time.perf_counter(), 0.0, None
        batches = batches_of(self.experiment, self.scene, self.tiling, [every[i] for i in missing], self.batch_size)
        with batches, tqdm(total=total, initial=done, unit="square", smoothing=0.05) as bar, Signals() as signals:

            def settle(group: int, batch: Batch, started: Started) -> None:
                found = self.keep(batch, started.arrays())
                for kind in sorted(found, key=lambda kind: kind == SQUARES):  # the last one says that all are there
                    job.keep(kind, group, {name: array[: len(every[group])] for name, array in found[kind].items()})
                after(group)
                bar.update(len(every[group]))

            for group in missing:
                asked = time.perf_counter()
                batch = next(batches)
                waited += time.perf_counter() - asked
                started = self.program(batch)
                # The previous batch is kept while the devices work on this one.
                if pending is not None:
                    settle(*pending)
                pending = (group, batch, started)
                signals.something_to_save = True
                if signals.received:
                    settle(*pending)
                    signals.end(f"{job.folder}: {bar.n} of {total} squares are kept; the same command continues")
            if pending is not None:
                settle(*pending)
        if missing:
            seconds = time.perf_counter() - begun
            logging.info(
                "%d squares in %.1f s, %.1f a second; waited %.1f s for reading (%.0f%%)",
                total - done,
                seconds,
                (total - done) / seconds,
                waited,
                100 * waited / seconds,
            )

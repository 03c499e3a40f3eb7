"""Vectors of samples: read ahead while devices work, the same whatever the number of readers."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple

import numpy as np

from mmae_jax import spec
from mmae_jax.data.batch import Batch
from mmae_jax.data.pipeline import read_ahead
from mmae_jax.embeddings.pooling import Pooling
from mmae_jax.embeddings.samples import About, SampleBatches, Source, abouts
from mmae_jax.pretrained import Pretrained, Started


class Rows(NamedTuple):
    """What is known of N samples.

    Attributes:
      abouts: name, split and place of each.
      vectors: float32 `[N, g, g, P, E]`: P parts of width E for each of g² places, NaN where a part is missing.
      dates: datetime64[D] `[N, 2]`, the first and last day of what the model saw; NaT where it saw nothing.
      targets: target → values as in a batch, of those that the source reads.
    """

    abouts: list[About]
    vectors: np.ndarray
    dates: np.ndarray
    targets: dict[str, np.ndarray]


def embed(
    model: Pretrained,
    source: Source,
    pooling: Pooling,
    ranges: Sequence[range],
    batch_size: int,
    data: spec.Data,
    on_samples: Callable[[int], object] = lambda number: None,
) -> Generator[Rows]:
    """Yields the vectors of each range of samples.

    Each range begins with a batch of its own, so that its vectors depend on nothing but it and `batch_size`. Readers
    end when it is closed.

    Args:
      model: the model.
      source: the samples.
      pooling: which tokens are averaged.
      ranges: ranges of samples, none of them empty.
      batch_size: samples that the devices work on at once.
      data: how many processes read, and how much ahead.
      on_samples: called with the number of samples that are done since.

    Raises:
      DataError: a sample cannot be read.
    """
    with contextlib.closing(_by_batch(model, pooling, SampleBatches(source, ranges, batch_size), data)) as found:
        for part in ranges:
            parts: list[Rows] = []
            for _ in range(0, len(part), batch_size):
                parts.append(next(found))
                on_samples(len(parts[-1].abouts))
            yield joined(parts)


def _by_batch(model: Pretrained, pooling: Pooling, batches: SampleBatches, data: spec.Data) -> Generator[Rows]:
    """Yields the rows of each batch, once the devices have the next one."""
    started = model.compiled(pooling)
    pending: Callable[[], Rows] | None = None
    with read_ahead(batches, data) as stream:
        read: Any  # not itself a batch of the pipeline
        for read in stream:
            working = started(read["batch"] | {"targets": {}})
            if pending is not None:
                yield pending()
            pending = functools.partial(_rows, abouts(read["about"]), read["batch"], working)
    if pending is not None:
        yield pending()


def _rows(about: list[About], batch: Batch, working: Started) -> Rows:
    """Waits for the devices; what only completes a batch is left out."""
    number = len(about)
    targets = {name: array[:number] for name, array in batch["targets"].items()}
    return Rows(about, working.arrays()[:number], _days(batch)[:number], targets)


def joined(parts: Sequence[Rows]) -> Rows:
    """Returns rows one after the other."""
    return Rows(
        [about for part in parts for about in part.abouts],
        np.concatenate([part.vectors for part in parts]),
        np.concatenate([part.dates for part in parts]),
        {name: np.concatenate([part.targets[name] for part in parts]) for name in parts[0].targets},
    )


def _days(batch: Batch) -> np.ndarray:
    """Returns datetime64[D] `[N, 2]`, the first and last day of what is there."""
    days, there = [], []
    for name, valid in batch["valid"].items():
        years, of_year = (batch["dates"][name][..., part].astype(np.int64) for part in (0, 1))
        days.append((years - 1970).astype("datetime64[Y]").astype("datetime64[D]") + (of_year - 1))
        there.append(np.asarray(valid).any(axis=(2, 3)))
    day, seen = np.concatenate(days, axis=1).astype(np.int64), np.concatenate(there, axis=1)
    far = np.iinfo(np.int64).max
    ends = np.stack([np.where(seen, day, far).min(axis=1), np.where(seen, day, -far).max(axis=1)], axis=1)
    ends[~seen.any(axis=1)] = np.datetime64("NaT").astype(np.int64)
    return ends.astype("datetime64[D]")

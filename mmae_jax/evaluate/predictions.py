"""What is kept of the outputs of a split: what scores need of each sample, and single places for calibration."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from mmae_jax import tasks
from mmae_jax.data.pipeline import read_ahead
from mmae_jax.embeddings.samples import About, SampleBatches, Source, abouts
from mmae_jax.embeddings.tiles import open_samples
from mmae_jax.evaluate.calibration import Outputs
from mmae_jax.evaluate.candidate import Candidate
from mmae_jax.evaluate.protocols import Fitted, Labelled
from mmae_jax.evaluate.samples import Known, Reading, See, counted
from mmae_jax.metrics import Summary
from mmae_jax.models.model import Model
from mmae_jax.models.samples import Samples
from mmae_jax.pretrained import Started
from mmae_jax.spec import Target

PIXELS = 64
"""Of each sample of a raster that calibration looks at."""
MOST_OUTPUTS = 1 << 25
"""Numbers of outputs that are in memory at once."""


@dataclasses.dataclass(frozen=True)
class Predictions:
    """Predictions of N samples.

    Attributes:
      samples: what the task's `by_sample` returns of them.
      places: outputs of single places that have a target.
    """

    samples: Summary
    places: Outputs


class Collected:
    """Gathers the predictions of a target, part by part."""

    def __init__(self, target: Target) -> None:
        self._target, self._number = target, 0
        self._samples: list[Summary] = []
        self._places: list[tuple[np.ndarray, np.ndarray]] = []

    def add(self, predicted: np.ndarray, targets: np.ndarray) -> None:
        """Adds the next samples: their outputs `[n, …, outputs]`, and targets as in a batch."""
        there = counted(self._target, targets)
        found = _by_sample(self._target, predicted, targets, there)
        self._samples.append({name: np.asarray(array) for name, array in found.items()})
        self._places += [self._some(*sample) for sample in zip(predicted, targets, there, strict=True)]

    def _some(self, predicted: np.ndarray, targets: np.ndarray, there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns some places of the next sample, the same ones whatever is added with it."""
        self._number += 1
        if not self._target.is_raster:
            return predicted[None][there[None]], targets[None][there[None]]
        places = np.flatnonzero(there)
        if len(places) > PIXELS:
            places = np.random.default_rng(self._number).choice(places, PIXELS, replace=False)
        return predicted.reshape(-1, predicted.shape[-1])[places], targets.reshape(-1)[places]

    def result(self) -> Predictions:
        """Returns all that was added."""
        samples = {name: np.concatenate([part[name] for part in self._samples]) for name in self._samples[0]}
        logits, targets = (np.concatenate([place[part] for place in self._places]) for part in (0, 1))
        return Predictions(samples, Outputs(logits, targets))


@functools.partial(jax.jit, static_argnums=0)
def _by_sample(target: Target, predicted: jax.Array, targets: jax.Array, there: jax.Array) -> Summary:
    return tasks.of(target).by_sample(target, predicted, targets, there)


def of_vectors(target: Target, fitted: Fitted, samples: Labelled) -> Predictions:
    """Returns what a protocol says of samples, part by part, as outputs of rasters are large."""
    collected = Collected(target)
    outputs = max(1, target.num_classes) * int(np.prod(samples.targets.shape[1:], dtype=int))
    step = max(1, MOST_OUTPUTS // max(1, outputs))
    for start in range(0, len(samples.vectors), step):
        rows = slice(start, start + step)
        collected.add(fitted.outputs(samples.vectors[rows]), samples.targets[rows])
    return collected.result()


def of_heads(
    candidate: Candidate, reading: Reading, split: str, seen: See | None = None
) -> tuple[dict[str, Predictions], Known]:
    """Returns what a model's own heads say of a split: target → predictions; and what is known of the samples.

    Args:
      candidate: the model.
      reading: gives shards, targets, and how samples are read.
      split: name of the split.
      seen: what the model sees of the samples; all if None.

    Raises:
      SpecError: a record cannot be read, or the split is not there.
    """
    experiment = candidate.model.experiment
    collected = {name: Collected(experiment.dataset.targets[name]) for name in reading.targets}
    data = dataclasses.replace(experiment.data, workers=reading.workers)
    source: Source = open_samples(dataclasses.replace(experiment, targets=reading.targets), reading.shards, (split,))
    if seen is not None:
        source = seen(source)
    found: list[About] = []

    def add(known: list[About], batch: Any, started: Started) -> None:
        outputs = started.arrays()
        for name, each in collected.items():
            each.add(outputs[name][: len(known)], batch["targets"][name][: len(known)])
        found.extend(known)

    predict, pending = candidate.model.compiled(_heads), None
    batches = SampleBatches(source, [range(len(source))], reading.batch)
    with (
        read_ahead(batches, data) as stream,
        tqdm(total=len(source), unit="tile", desc=split, leave=False, delay=3) as bar,
    ):
        read: Any  # not itself a batch of the pipeline
        for read in stream:
            started = predict(read["batch"] | {"targets": {}})
            # The previous batch is gathered while the devices work on this one.
            if pending is not None:
                add(*pending)
            pending = (abouts(read["about"]), read["batch"], started)
            bar.update(len(pending[0]))
    if pending is not None:
        add(*pending)
    known = Known(
        np.array([about.name for about in found]),
        np.array([about.place.crs for about in found]),
        np.array([about.place.centre for about in found]),
    )
    return {name: each.result() for name, each in collected.items()}, known


def _heads(model: Model, samples: Samples) -> dict[str, jax.Array]:
    return model.predict(samples, train_encoder=False)

"""What the models of a run make of some tiles, computed when a part of a report asks for it."""

from __future__ import annotations

import dataclasses
import functools
import warnings
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from mmae_jax.compilation_cache import kept_programs
from mmae_jax.embeddings.pooling import Pooling
from mmae_jax.embeddings.tiles import open_samples
from mmae_jax.models.model import Model
from mmae_jax.models.samples import Samples
from mmae_jax.pretrained import Pretrained, load
from mmae_jax.report.display import display_bands, limits, to_image
from mmae_jax.report.html import Absent
from mmae_jax.report.workdir import PREDICT, Run
from mmae_jax.spec import Experiment
from mmae_jax.train.reconstruction import Images, images

BATCH = 8
RECONSTRUCTED = 4
"""Samples that are reconstructed."""
LARGEST = 128
"""Pixels of a picture's side."""


@dataclasses.dataclass(frozen=True)
class Tiles:
    """Samples of a run's test split, or of another one where there is none.

    Attributes:
      split: the split.
      total: how many samples it has.
      names: of the N that were taken, evenly spread.
      batch: N samples, a `Batch`.
      pictures: float `[N, h, w, 3]` in [0, 1], NaN where nothing was observed.
      shown: what the pictures show.
    """

    split: str
    total: int
    names: list[str]
    batch: dict[str, Any]
    pictures: np.ndarray
    shown: str


class Look:
    """Some tiles of a run, and what its models make of them.

    Every attribute raises `Absent` where checkpoint or shards are not there.
    """

    def __init__(self, run: Run, number: int) -> None:
        """Remembers of which run, and how many tiles at most."""
        self._run, self._number = run, number

    @functools.cached_property
    def experiment(self) -> Experiment:
        """That of the run; with all targets of the contract where it learns none."""
        experiment = self._run.experiment
        return dataclasses.replace(experiment, targets=experiment.targets or tuple(experiment.dataset.targets))

    @functools.cached_property
    def tiles(self) -> Tiles:
        """The samples."""
        shards = self._run.shards()
        splits = [split for split in ("test", "val", *shards.files) if shards.has_samples(split)]
        if not splits:
            raise Absent("the shards hold no tiles")
        source = open_samples(self.experiment, shards.directory, splits[:1])
        chosen = np.unique(np.linspace(0, len(source) - 1, min(self._number, len(source))).round().astype(int))
        read = [source.sample(int(at)) for at in tqdm(chosen, desc=f"{self._run.name}: tiles", leave=False, delay=2)]
        batch: dict[str, Any] = jax.tree.map(lambda *leaves: np.stack(leaves), *(sample for sample, _ in read))
        name = pictured(self.experiment)
        return Tiles(
            splits[0],
            len(source),
            [about.name for _, about in read],
            batch,
            _pictures(batch, name, self.experiment),
            name,
        )

    @functools.cached_property
    def predictions(self) -> tuple[str, dict[str, np.ndarray]]:
        """The phase that predicts, and what its heads say: target → `[N, outputs]` or `[N, h, w, outputs]`."""
        if not self._run.experiment.targets:
            raise Absent("the run learns no targets")
        phase = next((phase for phase in PREDICT if phase in self._run.results), None)
        if phase is None:
            raise Absent(f"no phase that predicts ({' or '.join(reversed(PREDICT))}) is finished")
        return phase, self._computed(phase, _readout, self.tiles.batch, "predictions")

    @functools.cached_property
    def vectors(self) -> tuple[str, np.ndarray, np.ndarray]:
        """The phase of the encoder, vectors of tiles `[N, E]` and of patches `[N, g, g, E]`, NaN where missing."""
        phase = next((phase for phase in ("pretrain", *PREDICT) if phase in self._run.results), None)
        if phase is None:
            raise Absent("no phase is finished")
        tiles, patches = self._computed(phase, _vectors, self.tiles.batch, "embeddings")
        return phase, tiles[:, 0, 0, 0], patches[:, :, :, 0]

    @functools.cached_property
    def reconstructions(self) -> tuple[Samples, dict[str, Images]]:
        """Some samples, and what the pretrained model reconstructs of them."""
        if "pretrain" not in self._run.results:
            raise Absent("pretraining is not part of the run, or not finished")
        rows = np.unique(np.linspace(0, len(self.tiles.names) - 1, RECONSTRUCTED).round().astype(int))
        batch = jax.tree.map(lambda array: array[rows], self.tiles.batch)
        found: tuple[Samples, dict[str, Images]] = self._computed("pretrain", _reconstructed, batch, "reconstructions")
        return found

    def _computed(self, phase: str, function: Callable[[Model, Samples], Any], batch: Any, what: str) -> Any:
        """Returns what a function of a phase's model makes of a batch, in parts of `BATCH` samples."""
        number = len(batch["weight"])
        parts = []
        with kept_programs(self._run.experiment, self._run.workdir):
            started = self._model(phase).compiled(function)
            size = min(BATCH, number)
            for first in tqdm(range(0, number, size), desc=f"{self._run.name}: {what}", unit="batch", delay=2):
                rows = np.minimum(np.arange(first, first + size), number - 1)
                part = jax.tree.map(lambda array, rows=rows: array[rows], batch | {"targets": {}})
                parts.append(started(part).arrays())
        return jax.tree.map(lambda *arrays: np.concatenate(arrays)[:number], *parts)

    def _model(self, phase: str) -> Pretrained:
        if phase not in self._models:
            self._models[phase] = load(self._run.workdir, phase)
        return self._models[phase]

    @functools.cached_property
    def _models(self) -> dict[str, Pretrained]:
        return {}


def _readout(model: Model, samples: Samples) -> dict[str, jax.Array]:
    from mmae_jax import tasks

    dataset = model.experiment.dataset
    outputs = model.predict(samples, train_encoder=False)
    return {name: tasks.of(dataset.targets[name]).readout(output) for name, output in outputs.items()}


def _vectors(model: Model, samples: Samples) -> tuple[jax.Array, jax.Array]:
    return Pooling("tile")(model, samples), Pooling("patch")(model, samples)


def _reconstructed(model: Model, samples: Samples) -> tuple[Samples, dict[str, Images]]:
    return samples, images(model, samples, jax.random.key(0))


def pictured(experiment: Experiment) -> str:
    """Returns the input of which there are pictures: in colour where there is one, the finest of those."""
    colour = {name: len(display_bands(one.band_names)) for name, one in experiment.inputs.items()}
    return max(experiment.inputs, key=lambda name: (colour[name], -experiment.modality(name).ground_sample_distance))


def _pictures(batch: dict[str, Any], name: str, experiment: Experiment) -> np.ndarray:
    """Returns the median of the dates of an input in the bands that are shown, all tiles stretched alike."""
    bands = display_bands(experiment.inputs[name].band_names)
    stored = batch["inputs"][name]
    every = -(-stored.shape[-1] // LARGEST)
    pixels = stored[:, :, bands, ::every, ::every].astype(np.float32)
    valid = batch["valid"][name]
    valid = valid[..., ::every, ::every] if valid.shape[-1] > 1 else valid
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # where no date was observed
        median = np.nanmedian(np.where(valid[:, :, None], pixels, np.nan), axis=1)
    return to_image(median, limits(median))

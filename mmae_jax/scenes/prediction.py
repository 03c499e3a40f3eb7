"""What a model says of the squares of a scene, and of what it was asked."""

from __future__ import annotations

import dataclasses
import importlib.metadata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from absl import logging

from mmae_jax import tasks
from mmae_jax.config import to_plain
from mmae_jax.contract import in_use
from mmae_jax.data.batch import Batch
from mmae_jax.exit_codes import meant
from mmae_jax.models.model import Model
from mmae_jax.models.samples import Samples
from mmae_jax.pretrained import Pretrained
from mmae_jax.scenes.job import SQUARES, THUMBNAILS, Job
from mmae_jax.scenes.observed import observed
from mmae_jax.scenes.preview import Panel, save_preview
from mmae_jax.scenes.scene import Scene
from mmae_jax.scenes.squares import groups, reading
from mmae_jax.scenes.strips import OBSERVED, VALUES
from mmae_jax.scenes.thumbnails import mosaic, shown_input, thumbnails
from mmae_jax.scenes.tiling import tiling
from mmae_jax.scenes.work import Share, Work
from mmae_jax.spec import Experiment, SpecError, Target

OVERLAP = 0.5
"""Share of the side of a square that is blended with the next one, where nothing else is asked for."""


@dataclasses.dataclass(frozen=True)
class Options:
    """How a scene is predicted.

    Attributes:
      target: what is predicted; may be None where the model has one target.
      overlap: share of the side of a square that it shares with the next one; `OVERLAP` if None, none for targets of
        whole squares.
      batch_size: squares that are computed at once.
      workers: processes that read ahead; 0 for threads.
      probabilities: whether to write the probability of each class, too.
      uncertainty: whether to write the entropy of the classes, too.
      preview: whether to draw what went in and what came out.
      share: the part that this machine does; None to do and put together all.
    """

    target: str | None = None
    overlap: float | None = None
    batch_size: int = 8
    workers: int = 0
    probabilities: bool = False
    uncertainty: bool = False
    preview: bool = False
    share: Share | None = None


@dataclasses.dataclass(frozen=True)
class Readout:
    """What a model says of samples: of a target, as its task reads the outputs."""

    target: str

    def __call__(self, model: Model, samples: Samples) -> jax.Array:
        """Returns float32 `[B, outputs]` or `[B, H, W, outputs]`."""
        task = tasks.of(model.experiment.dataset.targets[self.target])
        return task.readout(model.predict(samples, train_encoder=False)[self.target])


class Prediction:
    """The prediction of one target of a scene.

    Attributes:
      experiment: that of the model.
      scene: the scene.
      name: of the target.
      target: its contract.
      tiling: the squares of the scene.
      options: what was asked for.
    """

    def __init__(self, model: Pretrained, scene: Scene, options: Options) -> None:
        """Chooses the target: that which was asked for, or the only one.

        Raises:
          SpecError: there is none of that name, or none, or several.
        """
        self.experiment, self.scene, self.options = model.experiment, scene, options
        self.name = chosen_target(model.experiment, options.target)
        self.target: Target = model.experiment.dataset.targets[self.name]
        overlap = options.overlap if options.overlap is not None else OVERLAP if self.target.is_raster else 0.0
        self.tiling = tiling(scene.frame.cells, model.experiment.crop_cells, overlap)
        self._model = model

    def begin(self, out: Path) -> Job:
        """Begins work on an output, or goes on with it; raises as `Job`."""
        return Job(out, self._description())

    def work(self) -> Work:
        """Returns what is computed of each square and kept: `VALUES`, `OBSERVED` and a thumbnail."""
        experiment, squares = reading(self.experiment, self.options.workers), self.tiling

        def keep(batch: Batch, values: np.ndarray) -> Mapping[str, Mapping[str, np.ndarray]]:
            of_pixels = values.ndim == 4
            seen = observed(batch, experiment, values.shape[1] if of_pixels else squares.cells)
            if not of_pixels:
                seen = np.ceil(seen.mean(axis=(2, 3))).astype(np.uint8)
            picture = thumbnails(batch, experiment, squares)
            return {THUMBNAILS: {"picture": picture}, SQUARES: {VALUES: values, OBSERVED: seen}}

        return Work(
            experiment, self.scene, squares, self.options.batch_size, self._model.compiled(Readout(self.name)), keep
        )

    def metadata(self) -> dict[str, Any]:
        """Returns what an output says of itself, as JSON types."""
        experiment = self.experiment
        return {
            "TIFFTAG_SOFTWARE": f"mmae_jax {importlib.metadata.version('mmae_jax')}",
            "MODEL": {"encoder": experiment.model.encoder, "architecture": to_plain(experiment.model.architecture)},
            "WEIGHTS": self._model.digest,
            "TARGET": self.name,
            "CLASSES": list(self.target.classes),
            "CONTRACT": to_plain(in_use(experiment.dataset, experiment)),
            "LICENCE": "Apache-2.0 (weights); images: that of their publishers",
        }

    def previews(self, out: Path) -> tuple[str, ...]:
        """Returns the name of the preview, if one was asked for."""
        return (f"{out.stem}_preview.png",) if self.options.preview else ()

    def draw(self, job: Job, panels: Sequence[Panel]) -> None:
        """Draws the preview in a job's folder, if one was asked for."""
        for name in self.previews(job.out):
            number = len(groups(self.tiling, self.options.batch_size))
            pictures = [square for group in range(number) for square in job.array(THUMBNAILS, group, "picture")]
            title = f"{self.name} of {self.experiment.dataset.name}"
            image = mosaic(pictures, self.tiling)
            save_preview(job.folder / name, title, shown_input(self.experiment), image, panels)

    def _description(self) -> dict[str, Any]:
        """Returns what decides about the output, as JSON types."""
        return {
            "what": "predict",
            "weights": self._model.digest,
            "target": self.name,
            "files": list(self.scene.files),
            "frame": to_plain(self.scene.frame),
            "cells": self.tiling.cells,
            "overlap": self.tiling.overlap,
            "batch": self.options.batch_size,
            "probabilities": self.options.probabilities,
            "uncertainty": self.options.uncertainty,
        }


def chosen_target(experiment: Experiment, name: str | None) -> str:
    """Returns the target to predict: that which was asked for, or the only one.

    Raises:
      SpecError: there is none of that name, or none, or several.
    """
    known = ", ".join(experiment.targets) or "none: it was trained without targets"
    if name is None and len(experiment.targets) == 1:
        return experiment.targets[0]
    if name is None or name not in experiment.targets:
        found = "" if name is None else f", found {name}{meant(name, experiment.targets)}"
        raise SpecError(f"--target: expected one of the model's targets ({known}){found}")
    return name


def do_share(work: Work, job: Job, share: Share) -> None:
    """Does the part of one machine of several."""
    work.go(job, share.of(range(work.groups)))
    logging.info(
        "%s: part %d of %d is done; when all are, the same command without --shard puts them together",
        job.folder,
        share.index,
        share.count,
    )

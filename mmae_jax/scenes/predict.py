"""From a model and a scene to a map of classes or numbers."""

from __future__ import annotations

import dataclasses
import importlib.metadata
from collections.abc import Iterator, Mapping
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
from mmae_jax.scenes.cog import SIDECAR, write_cog
from mmae_jax.scenes.job import SQUARES, STRIPS, THUMBNAILS, Job
from mmae_jax.scenes.layers import layers_of
from mmae_jax.scenes.observed import observed
from mmae_jax.scenes.preview import save_preview
from mmae_jax.scenes.scene import Scene
from mmae_jax.scenes.squares import groups, reading
from mmae_jax.scenes.strips import OBSERVED, VALUES, Strips
from mmae_jax.scenes.thumbnails import thumbnails
from mmae_jax.scenes.tiling import Tiling, tiling
from mmae_jax.scenes.work import Share, Work
from mmae_jax.spec import Experiment, SpecError


@dataclasses.dataclass(frozen=True)
class Options:
    """How a scene is predicted.

    Attributes:
      target: what is predicted; may be None where the model has one target.
      overlap: share of the side of a square that it shares with the next one.
      batch_size: squares that are computed at once.
      workers: processes that read ahead; 0 for threads.
      probabilities: whether to write the probability of each class, too.
      uncertainty: whether to write the entropy of the classes, too.
      preview: whether to draw what went in and what came out.
      share: the part that this machine does; None to do and put together all.
    """

    target: str | None = None
    overlap: float = 0.25
    batch_size: int = 8
    workers: int = 0
    probabilities: bool = False
    uncertainty: bool = False
    preview: bool = False
    share: Share | None = None


def predict(model: Pretrained, scene: Scene, out: Path, options: Options) -> None:
    """Writes the map of a scene: a cloud-optimised GeoTIFF, and others beside it, see `layers`.

    What is interrupted goes on when it is called again; the files do not depend on that, nor on `workers`.

    Args:
      model: the trained model.
      scene: what it is predicted from.
      out: ends in `.tif`.
      options: how.

    Raises:
      SpecError: the model has no such target, or a file is there already, or work was begun with other options.
      DataError: a file of the scene cannot be read.
      Preempted: told to end; what was computed is kept.
    """
    target = chosen_target(model.experiment, options.target)
    layers = layers_of(model.experiment, target, probabilities=options.probabilities, uncertainty=options.uncertainty)
    squares = tiling(scene.frame.cells, model.experiment.crop_cells, options.overlap)
    contract = model.experiment.dataset.targets[target]
    assert contract.size is not None, "a value for each pixel"
    scale = contract.size // model.experiment.dataset.size_gcd
    pixel = scene.frame.cell / scale
    height, width = (round(side / pixel) for side in (scene.frame.height, scene.frame.width))
    strips = Strips(squares, options.batch_size, scale, height, width, layers)
    job = Job(out, _description(model, scene, squares, options, target))
    work = _work(model, scene, squares, options, target)
    every = range(len(groups(squares, options.batch_size)))
    if options.share is not None:
        wanted = options.share.of(every)
        work.go(job, wanted)
        logging.info(
            "%s: part %d of %d is done; when all are, the same command without --shard writes the map",
            job.folder,
            options.share.index,
            options.share.count,
        )
        return
    work.go(job, _wanted(strips, job, len(every)), after=lambda _: _finish(strips, job))
    _finish(strips, job)
    names = {layer: out.name if not layer.name else f"{out.stem}_{layer.name}.tif" for layer in layers}
    sidecars = [f"{name}{SIDECAR}" for layer, name in names.items() if layer.classes]
    previews = [f"{out.stem}_preview.png"] if options.preview else []
    metadata = _metadata(model, target)
    with job.finished(*names.values(), *sidecars, *previews) as paths:
        for layer, path in zip(names, paths, strict=False):
            rows = (job.array(STRIPS, strip, layer.name or "map") for strip in range(len(strips)))
            write_cog(path, scene.frame, pixel, (height, width), layer, rows, metadata)
        if options.preview:
            pictures = _pictures(job, len(every))
            save_preview(job.folder / previews[0], model.experiment, target, squares, pictures, layers, paths)
    logging.info(
        "%s: %d × %d pixels of %g m; beside it %s", out, height, width, pixel, ", ".join(sorted(names.values()))
    )


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


def _work(model: Pretrained, scene: Scene, squares: Tiling, options: Options, target: str) -> Work:
    experiment = reading(model.experiment, options.workers)
    task = tasks.of(model.experiment.dataset.targets[target])

    def told(model: Model, samples: Samples) -> jax.Array:
        return task.readout(model.predict(samples, train_encoder=False)[target])

    def keep(batch: Batch, values: np.ndarray) -> Mapping[str, Mapping[str, np.ndarray]]:
        seen = observed(batch, experiment, values.shape[1])
        picture = thumbnails(batch, experiment, squares)
        return {THUMBNAILS: {"picture": picture}, SQUARES: {VALUES: values, OBSERVED: seen}}

    return Work(experiment, scene, squares, options.batch_size, model.compiled(told), keep)


def _wanted(strips: Strips, job: Job, number: int) -> list[int]:
    """Returns the groups of squares that unfinished strips need."""
    needed = {g for strip in range(len(strips)) if not job.has(STRIPS, strip) for g in strips.groups_of(strip)}
    return [group for group in range(number) if group in needed]


def _finish(strips: Strips, job: Job) -> None:
    """Makes those strips whose squares are all there, in order, and drops squares that no later strip needs."""
    for strip in range(len(strips)):
        if job.has(STRIPS, strip):
            continue
        needed = strips.groups_of(strip)
        if not all(job.has(SQUARES, group) for group in needed):
            return
        strips.make(job, strip)
        later = strips.groups_of(strip + 1).start if strip + 1 < len(strips) else needed.stop
        for group in range(needed.start, later):
            job.drop(SQUARES, group)


def _pictures(job: Job, number: int) -> Iterator[np.ndarray]:
    return (square for group in range(number) for square in job.array(THUMBNAILS, group, "picture"))


def _description(model: Pretrained, scene: Scene, squares: Tiling, options: Options, target: str) -> dict[str, Any]:
    """Returns what decides about the map, as JSON types."""
    return {
        "what": "predict",
        "weights": model.digest,
        "target": target,
        "files": list(scene.files),
        "frame": to_plain(scene.frame),
        "cells": squares.cells,
        "overlap": squares.overlap,
        "batch": options.batch_size,
        "probabilities": options.probabilities,
        "uncertainty": options.uncertainty,
    }


def _metadata(model: Pretrained, target: str) -> dict[str, Any]:
    """Returns the tags of the map's files."""
    experiment = model.experiment
    return {
        "TIFFTAG_SOFTWARE": f"mmae_jax {importlib.metadata.version('mmae_jax')}",
        "MODEL": {"encoder": experiment.model.encoder, "architecture": to_plain(experiment.model.architecture)},
        "WEIGHTS": model.digest,
        "TARGET": target,
        "CLASSES": list(experiment.dataset.targets[target].classes),
        "CONTRACT": to_plain(in_use(experiment.dataset, experiment)),
        "LICENCE": "Apache-2.0 (weights); images: that of their publishers",
    }

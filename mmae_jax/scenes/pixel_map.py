"""The map of a target with a value for each pixel."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from pathlib import Path

from absl import logging

from mmae_jax.scenes.cog import SIDECAR, write_cog
from mmae_jax.scenes.job import SQUARES, STRIPS, Job
from mmae_jax.scenes.layers import NODATA, Layer, layers_of
from mmae_jax.scenes.prediction import Prediction, do_share
from mmae_jax.scenes.preview import panels_of
from mmae_jax.scenes.strips import MAP, Strips
from mmae_jax.scenes.work import Work


def write_map(prediction: Prediction, out: Path) -> None:
    """Predicts the squares, blends them strip by strip, and writes each layer; raises as `predict`."""
    options, frame = prediction.options, prediction.scene.frame
    layers = layers_of(
        prediction.experiment,
        prediction.name,
        probabilities=options.probabilities,
        uncertainty=options.uncertainty,
    )
    assert prediction.target.size is not None, "a value for each pixel"
    scale = prediction.target.size // prediction.experiment.dataset.size_gcd
    pixel = frame.cell / scale
    height, width = (round(side / pixel) for side in (frame.height, frame.width))
    strips = Strips(prediction.tiling, options.batch_size, scale, height, width, layers)
    job, work = prediction.begin(out), prediction.work()
    if options.share is not None:
        do_share(work, job, options.share)
        return
    with job.alone():
        _complete(prediction, strips, job, work, pixel)
    logging.info(
        "%s: %d × %d pixels of %g m; beside it %s", out, height, width, pixel, ", ".join(names_of(layers, out)[1:])
    )


def names_of(layers: Sequence[Layer], out: Path) -> list[str]:
    """Returns the name of each layer's file."""
    return [f"{out.stem}_{layer.name}.tif" if layer.name else out.name for layer in layers]


def _complete(prediction: Prediction, strips: Strips, job: Job, work: Work, pixel: float) -> None:
    """Does what is missing, and writes the files."""
    layers, out = strips.layers, job.out
    left = collections.deque(strip for strip in range(len(strips)) if not job.has(STRIPS, strip))
    needed = {group for strip in left for group in strips.groups_of(strip)}
    work.go(job, sorted(needed), after=lambda _: _finish(strips, job, left))
    _finish(strips, job, left)
    names = names_of(layers, out)
    sidecars = [f"{name}{SIDECAR}" for layer, name in zip(layers, names, strict=True) if layer.classes]
    metadata = prediction.metadata()
    with job.finished(*names, *sidecars, *prediction.previews(out)) as paths:
        for layer, path in zip(layers, paths, strict=False):
            rows = (job.array(STRIPS, strip, layer.name or MAP) for strip in range(len(strips)))
            write_cog(path, prediction.scene.frame, pixel, (strips.height, strips.width), layer, rows, metadata)
        prediction.draw(job, list(panels_of(layers, paths)))
        if all((job.array(STRIPS, strip, layers[-1].name) == NODATA).all() for strip in range(len(strips))):
            logging.warning("%s: nothing was observed anywhere: all is nodata", out)


def _finish(strips: Strips, job: Job, left: collections.deque[int]) -> None:
    """Makes those of the strips that are left whose squares are all there, in order, and drops squares used up."""
    while left and all(job.has(SQUARES, group) for group in strips.groups_of(left[0])):
        strip = left.popleft()
        needed = strips.groups_of(strip)
        strips.make(job, strip)
        later = strips.groups_of(strip + 1).start if strip + 1 < len(strips) else needed.stop
        for group in range(needed.start, later):
            job.drop(SQUARES, group)

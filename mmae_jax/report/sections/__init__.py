"""The parts of a report about one run, in order; each returns its markup, or raises `Absent`, which says why not."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mmae_jax.report.html import Html
from mmae_jax.report.look import Look
from mmae_jax.report.sections import (
    calibration,
    classes,
    curves,
    data,
    embeddings,
    labels,
    predictions,
    reconstructions,
    scores,
    sensors,
    settings,
    speed,
)
from mmae_jax.report.workdir import Run

SECTIONS: Mapping[str, Callable[[Run, Look], Html]] = {
    "Scores": scores.content,
    "Data": data.content,
    "Settings and cost": settings.content,
    "Training curves": curves.content,
    "Reconstructions": reconstructions.content,
    "Predictions": predictions.content,
    "Classes": classes.content,
    "Sensors and dates": sensors.content,
    "Labels": labels.content,
    "Calibration": calibration.content,
    "Embeddings": embeddings.content,
    "Speed": speed.content,
}

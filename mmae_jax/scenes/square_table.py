"""What was predicted of squares as a whole, as a table with their outlines (GeoParquet 1.1)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from absl import logging
from rasterio.crs import CRS

from mmae_jax.formats import geo_metadata, naming_folder
from mmae_jax.scenes.job import SQUARES
from mmae_jax.scenes.layers import colours
from mmae_jax.scenes.prediction import Prediction, do_share
from mmae_jax.scenes.preview import Panel
from mmae_jax.scenes.scene import Frame
from mmae_jax.scenes.strips import OBSERVED, VALUES
from mmae_jax.scenes.tiling import Tiling
from mmae_jax.spec import Experiment, SpecError, Target

SEEN = "observed_"
"""Begins the columns that tell which percentage of dates and pixels of an input were observed."""


def write_table(prediction: Prediction, out: Path) -> None:
    """Predicts the squares, and writes what was predicted; raises as `predict`."""
    options = prediction.options
    for option in ("probabilities", "uncertainty"):
        if getattr(options, option):
            raise SpecError(
                f"--{option}: is for maps of pixels; the table of {prediction.name} has probabilities anyway"
            )
    job, work = prediction.begin(out), prediction.work()
    if options.share is not None:
        do_share(work, job, options.share)
        return
    with job.alone():
        work.go(job, range(work.groups))
        values, seen = (
            np.concatenate([job.array(SQUARES, group, name) for group in range(work.groups)])
            for name in (VALUES, OBSERVED)
        )
        if not seen.any():
            logging.warning("%s: nothing was observed anywhere", out)
        columns = columns_of(prediction.experiment, prediction.target, values, seen)
        with job.finished(out.name, *prediction.previews(out)) as paths:
            write_squares(paths[0], prediction.scene.frame, prediction.tiling, columns, prediction.metadata())
            prediction.draw(job, [_drawn(prediction, values, seen)])
    side = prediction.tiling.cells * prediction.scene.frame.cell
    logging.info("%s: %d squares of %g m", out, len(prediction.tiling), side)


def _drawn(prediction: Prediction, values: np.ndarray, seen: np.ndarray) -> Panel:
    """Returns a picture of squares: the most probable class of each, or its number."""
    target = prediction.target
    shape = (len(prediction.tiling.rows), len(prediction.tiling.columns))
    told = values.argmax(axis=1) if target.classes else values[:, 0]
    pixels = np.ma.masked_array(told.reshape(shape), ~seen.any(axis=1).reshape(shape))
    if not target.classes:
        return Panel(target.field, pixels)
    shown = target.colours or colours(target.num_classes)
    return Panel("most probable class of each square", pixels, target.classes, shown)


def columns_of(
    experiment: Experiment, target: Target, values: np.ndarray, observed: np.ndarray
) -> dict[str, np.ndarray]:
    """Returns name → column of what was predicted; null in squares of which nothing was observed.

    Args:
      experiment: that of the model.
      target: what was predicted.
      values: `[squares, outputs]`, as the task reads its outputs: a column for each class, or one for a number.
      observed: uint8 `[squares, inputs]`, percent.
    """
    seen = np.asarray(observed.any(axis=1))
    told = np.where(seen[:, None], values, np.nan).astype(np.float32)
    columns = dict(zip(target.classes or (target.field,), told.T, strict=True))
    if target.kind == "classif":
        best = np.array(target.classes, object)[values.argmax(axis=1)]
        columns = {target.field: np.where(seen, best, None), **columns}
    return columns | {f"{SEEN}{name}": observed[:, index] for index, name in enumerate(experiment.inputs)}


def write_squares(
    path: Path, frame: Frame, tiling: Tiling, columns: Mapping[str, np.ndarray], metadata: Mapping[str, Any]
) -> None:
    """Writes the table: one row a square, with its first row and column in cells.

    Args:
      path: ends in `.parquet`.
      frame: where the scene is.
      tiling: its squares.
      columns: name → a value for each square.
      metadata: JSON values, written as the table's own.
    """
    starts = np.array([tiling.start(index) for index in range(len(tiling))])
    left, top = frame.left + starts[:, 1] * frame.cell, frame.top - starts[:, 0] * frame.cell
    side = tiling.cells * frame.cell
    outlines = shapely.to_wkb(shapely.box(left, top - side, left + side, top)).tolist()
    crs = CRS.from_wkt(frame.crs).to_dict(projjson=True)
    arrays = {
        "row": pa.array(starts[:, 0], pa.int32()),
        "column": pa.array(starts[:, 1], pa.int32()),
        **{name: pa.array(values, from_pandas=True) for name, values in columns.items()},
        "geometry": pa.array(outlines, pa.binary()),
    }
    table = pa.table(arrays).replace_schema_metadata({"geo": geo_metadata(crs), "mmae_jax": json.dumps(metadata)})
    with naming_folder(path.parent):
        pq.write_table(table, path, compression="zstd")

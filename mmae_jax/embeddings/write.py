"""Embeds samples into a file: unit by unit, by any number of processes, each of which may die."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import logging
from immutabledict import immutabledict
from tqdm import tqdm

from mmae_jax import spec
from mmae_jax.embeddings.compute import embed
from mmae_jax.embeddings.numpy_file import ARRAYS, NumpyFile
from mmae_jax.embeddings.output import UNITS, Part, Task, Writer
from mmae_jax.embeddings.pooling import Pooling
from mmae_jax.embeddings.samples import Source
from mmae_jax.embeddings.storage import Storage
from mmae_jax.formats import naming_folder
from mmae_jax.launch.signals import Signals
from mmae_jax.pretrained import Pretrained
from mmae_jax.scenes.job import Job
from mmae_jax.scenes.job import check_out as check_place
from mmae_jax.scenes.work import Share
from mmae_jax.spec import SpecError

NEEDED: Mapping[str, tuple[str, ...]] = immutabledict(
    {".parquet": ("pyarrow", "rasterio", "shapely"), ".zarr": ("rasterio", "zarr"), ".tif": ("rasterio",)}
)
"""Ending of a file → libraries that write it."""


def check_out(out: Path, of_scene: bool) -> None:
    """Stops before any work where a file cannot be written.

    Args:
      out: the file.
      of_scene: whether a scene is embedded, or tiles.

    Raises:
      SpecError: it is there already, is of no known kind, or what writes it is not installed.
    """
    if out.suffix not in NEEDED:
        raise SpecError(f"--out: expected a name that ends in {', '.join(NEEDED)}, found {out}")
    if out.suffix == ".tif" and not of_scene:
        raise SpecError("--out: a .tif is one area, of a scene; tiles are written as .parquet or .zarr")
    if missing := [name for name in NEEDED[out.suffix] if importlib.util.find_spec(name) is None]:
        raise SpecError(f"--out: {out.suffix} needs {', '.join(missing)}: `pip install 'mmae_jax[predict]'`")
    check_place(out)


def write(
    model: Pretrained,
    source: Source,
    pooling: Pooling,
    storage: Storage,
    out: Path,
    *,
    checkpoint: str,
    batch_size: int,
    data: spec.Data,
    share: Share | None = None,
) -> str:
    """Embeds all samples, or the share of one process; what is there of an earlier try is not computed again.

    Args:
      model: the model.
      source: the samples.
      pooling: which tokens are averaged.
      storage: how vectors are stored.
      out: what is written once all units are done; `check_out` has passed.
      checkpoint: where the model is, for the metadata.
      batch_size: samples that the devices work on at once.
      data: how many processes read, and how much ahead.
      share: what this process computes, and leaves to another to put together; all if None.

    Returns:
      What was done, and what is to be done with it.

    Raises:
      SpecError: a sample cannot be read, or the work that is there is for another result.
    """
    task = Task(
        experiment=model.experiment,
        pooling=pooling,
        storage=storage,
        width=pooling.width(model),
        samples=len(source),
        area=source.area,
        model=checkpoint,
        weights=model.digest,
        origins=tuple(source.origins),
    )
    writer = _writer(task, source, out)
    begun = out.with_name(f"{out.name}.partial").exists()
    for file in writer.files:
        # a process that died between the two has moved the first to its place
        if file.exists() and not begun:
            raise SpecError(f"--out: {file} exists already; delete it, or choose another")
    job = Job(out, identity(model, source, pooling, storage) | {"batch": batch_size})
    if share is not None:
        writer.prepare(job.folder)
        _compute(job, writer, model, source, task, batch_size, data, share)
        left = sum(not job.has(UNITS, unit) for unit in range(len(task.units)))
        return (
            f"part {share.index}/{share.count} is done, {left} of {len(task.units)} units are left to others; "
            f"the same command without --shard writes {out}"
        )
    with job.alone():
        writer.prepare(job.folder)
        _compute(job, writer, model, source, task, batch_size, data, None)
        with job.finished(*(file.name for file in writer.files)):
            opened = writer.assemble(job)
    kind = f"{storage.dtype} by {storage.quantization}" if storage.quantization else storage.dtype
    vectors = "1 vector" if task.grid == 1 else f"{task.grid}² vectors"
    return f"{out}: {len(source)} × {vectors} of {len(task.channels)} numbers ({kind}); {opened}"


def identity(model: Pretrained, source: Source, pooling: Pooling, storage: Storage) -> dict[str, Any]:
    """Returns what decides about stored vectors, but for rounding, as JSON values."""
    return {
        "what": "embed",
        "weights": model.digest,
        "samples": source.fingerprint[:16],
        **dataclasses.asdict(pooling),
        **dataclasses.asdict(storage),
    }


def _compute(
    job: Job,
    writer: Writer,
    model: Pretrained,
    source: Source,
    task: Task,
    batch_size: int,
    data: spec.Data,
    share: Share | None,
) -> None:
    """Computes what is not done yet."""
    every = range(len(task.units))
    wanted = every if share is None else share.of(every)
    left = [unit for unit in wanted if not job.has(UNITS, unit)]
    if len(left) < len(wanted):
        logging.info("%s: goes on; %d of %d units are done", job.folder, len(wanted) - len(left), len(wanted))
    if not left:
        return
    ranges = [task.units[unit] for unit in left]
    unit_name = "tile" if task.area is None else "square"
    with (
        tqdm(total=sum(map(len, ranges)), unit=unit_name, smoothing=0.05) as bar,
        contextlib.closing(embed(model, source, task.pooling, ranges, batch_size, data, bar.update)) as found,
        Signals() as signals,
    ):
        for unit, samples, rows in zip(left, ranges, found, strict=True):
            with naming_folder(job.folder):
                kept = writer.keep(job.folder, samples, task.storage.encode(rows.vectors))
            job.keep(UNITS, unit, Part.of(rows, kept).arrays())
            signals.something_to_save = True
            if signals.received:
                signals.end(f"{job.folder}: {bar.n} of {bar.total} {unit_name}s are kept; the same command continues")


def _writer(task: Task, source: Source, out: Path) -> Writer:
    """Returns what writes a file, by its ending; its libraries are imported here."""
    if out.suffix == ARRAYS:
        return NumpyFile(task, source.experiment.targets, out)
    if out.suffix == ".parquet":
        from mmae_jax.embeddings.geoparquet import GeoParquet

        return GeoParquet(task, out)
    if out.suffix == ".zarr":
        from mmae_jax.embeddings.zarr_store import ZarrStore

        return ZarrStore(task, out)
    from mmae_jax.embeddings.geotiff import GeoTiff

    return GeoTiff(task, out)

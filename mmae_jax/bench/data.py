"""The input pipeline of a folder of shards: time and bytes per sample, against reading the raw files.

Times are processor seconds of this process, so that they count per core and hardly depend on what else runs. Whole
pipelines (Grain) are measured in turns, and each keeps its fastest turn.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from mmae_jax import spec
from mmae_jax.bench import record
from mmae_jax.bench.sources import LongerRecords, RawTiles, TimedRecords
from mmae_jax.command_line.config_file import load_experiment
from mmae_jax.command_line.overrides import Override
from mmae_jax.command_line.parser import add_config
from mmae_jax.data import crops
from mmae_jax.data.pipeline import train_dataset
from mmae_jax.data.sample import train_sample
from mmae_jax.data.shards import Shards, open_shards
from mmae_jax.data.tiles import Tile

ROUNDS = 3
DOUBLINGS = (1, 2, 4, 8)
MB = 1e6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the bench's arguments to its parser."""
    parser.add_argument("--shards", required=True, metavar="DIR", help="folder of shards")
    add_config(parser, required=True)
    parser.add_argument("--raw_dir", type=Path, help="published files to read by the same code, for comparison")
    parser.add_argument("--raw_options", default="", help="options with which data_prep chose the splits")
    parser.add_argument("--samples", type=int, default=128, help="samples per measurement (default: 128)")
    record.add_arguments(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    experiment = experiment_of(options.config, options.shards, options.overrides)
    if options.samples < 1:
        raise spec.SpecError(f"--samples: expected a positive number, found {options.samples}")
    found = measure(experiment, options.samples, options.raw_dir, options.raw_options)
    print(found)
    if options.json is not None:
        content = {"config": options.config} | dataclasses.asdict(found) | {"ratio": found.ratio}
        record.write(options.json, record.record("data", content, options.date))


def experiment_of(config: str, shards: str, overrides: Sequence[Override] = ()) -> spec.Experiment:
    """Returns the experiment of a config file (`FILE` or `FILE:ARGUMENT`) with `data.dir` set to `shards`.

    Raises:
      SpecError: there is no such file, or it is no experiment.
    """
    return load_experiment(config, (*overrides, Override("data.dir", shards)))


@dataclasses.dataclass(frozen=True)
class Report:
    """What was measured; times in processor milliseconds a sample.

    Attributes:
      title: shards and phase.
      stages: read, decode, sample, batch.
      pipeline: the whole, by Grain.
      raw: the whole, from raw files; None where not asked for.
      stored: bytes of a record on disk.
      amplification: `random crops` and `fixed grid` → bytes read and bytes used per sample.
      handed: bytes per sample handed to the device.
      doublings: times as many dates → read from memory, decode and sample.
    """

    title: str
    stages: dict[str, float]
    pipeline: float
    raw: float | None
    stored: float
    amplification: dict[str, tuple[float, float]]
    handed: float
    doublings: dict[int, float]

    @property
    def ratio(self) -> float | None:
        """How many times as many samples per second and core come from shards as from raw files."""
        return None if self.raw is None else self.raw / self.pipeline

    def __str__(self) -> str:
        lines = [
            self.title,
            f"samples/s per core       {1e3 / self.pipeline:10.1f}   ({self.pipeline:.2f} ms a sample)",
            *(f"  {name:<22} {milliseconds:10.3f} ms" for name, milliseconds in self.stages.items()),
        ]
        if self.raw is not None:
            lines.append(
                f"from raw files           {1e3 / self.raw:10.1f}   ({self.raw:.2f} ms); shards are {self.ratio:.1f} ×"
            )
        for name, (read, used) in self.amplification.items():
            text = f"{read / MB:.3f} MB read, {used / MB:.3f} MB used"
            lines.append(f"{name:<24} {read / used:10.2f} × ({text})")
        lines.append(f"record on disk           {self.stored / MB:10.3f} MB")
        lines.append(f"handed to the device     {self.handed / MB:10.3f} MB a sample")
        base = self.doublings[1]
        growth = ", ".join(
            f"{times}× dates {value:.2f} ms ({value / base:.2f}×)" for times, value in self.doublings.items()
        )
        lines.append(f"decode and sample, longer series: {growth}")
        return "\n".join(lines)


def measure(experiment: spec.Experiment, samples: int, raw_dir: Path | None = None, raw_options: str = "") -> Report:
    """Returns the figures of the first phase's training samples.

    Args:
      experiment: gives shards, crops, dates and batch size.
      samples: per measurement, at least one batch.
      raw_dir: published files to compare with, if any.
      raw_options: options with which `data_prep` chose the splits.

    Raises:
      SpecError: shards or raw files cannot be read, or do not fit the experiment.
    """
    shards, phase = open_shards(experiment), experiment.phases[0]
    splits = experiment.phase(phase).train_splits
    rows = min(experiment.phase(phase).batch_size, samples)
    sources: list[Sequence[Any]] = [shards.source(splits)]
    if raw_dir is not None:
        sources.append(RawTiles(raw_dir, experiment.dataset, splits, raw_options))
    pipelines = [train_dataset(experiment, phase, source, rows) for source in sources]
    batch = pipelines[0][0]
    fastest = [
        min(turn)
        for turn in zip(*([_seconds(p, samples // rows) for p in pipelines] for _ in range(ROUNDS)), strict=True)
    ]
    per_sample = [1e3 * seconds / rows for seconds in fastest]
    return Report(
        title=f"{shards.directory}: {phase}, batches of {rows}",
        stages=_stages(experiment, shards, splits, samples, rows),
        pipeline=per_sample[0],
        raw=per_sample[1] if raw_dir is not None else None,
        stored=_stored(shards, splits),
        amplification=_amplification(experiment, shards, splits, samples),
        handed=sum(leaf.nbytes for leaf in jax.tree.leaves(batch)) / rows,
        doublings={times: _longer(experiment, shards, splits, times, min(samples, 16)) for times in DOUBLINGS},
    )


def _seconds(batches: Any, number: int) -> float:
    """Returns processor seconds per batch, of `number` batches after the first."""
    start = time.process_time()
    for index in range(1, number + 1):
        batches[index]
    return (time.process_time() - start) / number


def _stages(
    experiment: spec.Experiment, shards: Shards, splits: Sequence[str], samples: int, rows: int
) -> dict[str, float]:
    """Returns milliseconds a sample of each stage, by the pipeline's functions one after the other."""
    records, rng = TimedRecords(shards.records(splits)), np.random.default_rng(0)
    order = rng.integers(shards.num_tiles(splits), size=samples)
    start = time.process_time()
    made = [train_sample(experiment, Tile(records, experiment.dataset, int(tile)), rng) for tile in order]
    sampled = time.process_time()
    for first in range(0, samples, rows):
        jax.tree.map(lambda *leaves: np.stack(leaves), *made[first : first + rows])
    batched = time.process_time()
    seconds = {
        "read": records.reading,
        "decode": records.decoding,
        "crop, dates, augment": sampled - start - records.reading - records.decoding,
        "batch": batched - sampled,
    }
    return {name: 1e3 * value / samples for name, value in seconds.items()}


def _stored(shards: Shards, splits: Sequence[str]) -> float:
    files = [file for split in splits for file in shards.files[split]]
    return sum(Path(file.filename).stat().st_size for file in files) / sum(file.take for file in files)


def _amplification(
    experiment: spec.Experiment, shards: Shards, splits: Sequence[str], samples: int
) -> dict[str, tuple[float, float]]:
    grid, cells, repeats = experiment.dataset.size_gcd, experiment.crop_cells, experiment.data.repeats
    rng = np.random.default_rng(0)
    places: dict[str, Callable[[int], crops.Cell]] = {
        "bytes read, random crops": lambda _: crops.random_start(rng, grid, cells),
        "bytes read, fixed grid": lambda crop: crops.fixed_start(crop % repeats**2, repeats, grid),
    }
    tiles = np.random.default_rng(1).integers(shards.num_tiles(splits), size=samples)
    found = {}
    for name, start in places.items():
        records, used = TimedRecords(shards.records(splits)), 0
        for crop, tile in enumerate(tiles):
            record = Tile(records, experiment.dataset, int(tile)).read(start(crop), cells)
            used += sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(record))
        found[name] = (records.num_bytes / samples, used / samples)
    return found


def _longer(experiment: spec.Experiment, shards: Shards, splits: Sequence[str], times: int, samples: int) -> float:
    """Returns milliseconds to decode and sample a record with `times` as many dates, the fastest of some turns."""
    records = LongerRecords(shards.records(splits), experiment.dataset, times)
    tiles = [Tile(records, experiment.dataset, index % shards.num_tiles(splits)) for index in range(min(samples, 4))]

    def turn() -> float:
        start = time.process_time()
        for tile in tiles:
            train_sample(experiment, tile, np.random.default_rng(0))
        return time.process_time() - start

    turn()  # encodes
    return 1e3 * min(turn() for _ in range(ROUNDS)) / len(tiles)

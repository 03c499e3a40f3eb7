"""A whole dataset: plan the shards, run their tasks, make the finished folder appear."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from immutabledict import immutabledict

from data_prep.errors import DataPrepError
from data_prep.problems import PROBLEMS_FILE
from data_prep.problems import table as problem_table
from data_prep.readers.accepted import accepting
from data_prep.readers.inside import check_links
from data_prep.readers.listing import find_files
from data_prep.readers.splits import check_tiles
from data_prep.shards.manifest import Manifest, Shard, sha256, to_text
from data_prep.shards.output import Output, refuse_existing
from data_prep.shards.records import features
from data_prep.shards.repeat import check_not_finished
from data_prep.shards.storage import check_reachable, file_names
from data_prep.shards.summary import Summary, summarised
from data_prep.shards.task import ShardReport, ShardTask, Source, Tile
from data_prep.shards.workers import run_tasks
from mmae_jax.contract import write_contract
from mmae_jax.formats import MANIFEST_FILE

SHARD_BYTES = 256 * 2**20
"""Default size of a shard: large enough for sequential reads, small enough to restart or copy one."""


def prepare(
    source: Source,
    raw_dir: Path,
    out_dir: Path,
    *,
    num_shards: int | None = None,
    seed: int = 0,
    processes: int = 1,
    strict: bool = False,
    accept: frozenset[str] = frozenset(),
    beam_options: str | None = None,
    options: Mapping[str, Any] = immutabledict(),
) -> list[Summary]:
    """Writes shards, `tfds` metadata, sensor contract and manifest to `out_dir`, which appears when all is complete.

    Until then everything is in the sibling folder `<out_dir>.partial` (in object stores: see `output`); after an
    interruption the same call continues there.

    Args:
      source: the dataset.
      raw_dir: folder of the published files.
      out_dir: folder to make; it must not exist yet.
      num_shards: shards per split; by default as many as make about 256 MiB each.
      seed: seed of the permutation of the tiles.
      processes: local worker processes; 1 works in the calling process.
      strict: stop at the first tile that cannot be used instead of skipping it.
      accept: checks of raw files whose findings are right after all, see `data_prep.readers.accepted`.
      beam_options: run the shards as a Beam pipeline with these options instead of in local processes; see `beam`.
      options: the dataset's own options that `source` was made from, for the manifest.

    Raises:
      FinishedError: the same was finished before.
      DataPrepError: a folder is absent or in the way, nothing could be read, or (strict) a tile cannot be used.
    """
    check_reachable("--raw_dir", raw_dir)
    check_reachable("--out_dir", out_dir)
    if not raw_dir.is_dir():
        raise DataPrepError(f"--raw_dir: {raw_dir} is not a folder")
    if not (out_dir / MANIFEST_FILE).exists():
        refuse_existing(out_dir)
    source = dataclasses.replace(source, accept=accept)
    with accepting(accept):
        splits = source.list_tiles(raw_dir)
        described = _metadata_files(source, raw_dir)
    check_tiles(splits)
    output = Output(out_dir)
    tasks = plan(source, splits, raw_dir, output, num_shards, seed, strict)
    options = json.loads(json.dumps(dict(options) | ({"accept": sorted(accept)} if accept else {}), default=str))
    settings, begun = (
        {"seed": seed, "strict": strict, "options": options},
        _settings(source, splits, tasks, seed, options),
    )
    check_not_finished(out_dir, tasks, begun["tiles"], settings, described)
    with output.exclusive():
        output.begin(begun)
        reports = run_tasks(tasks, processes, beam_options)
        summaries = [summarised(split, tasks, reports) for split in splits]
        empty = [summary.split for summary in summaries if not summary.kept]
        if empty:
            output.discard()  # nothing in it is worth continuing
            raise DataPrepError(
                f"{raw_dir}: no tile of split {', '.join(empty)} could be read, for the reasons named above; "
                "nothing was written"
            )
        output.keep_only({task.file_name for task in tasks})
        _write_metadata(source, tasks, reports, output.data)
        problems = problem_table({summary.split: summary.problems for summary in summaries})
        output.write_text(output.data / PROBLEMS_FILE, problems)
        manifest = _manifest(source, described, tasks, reports, summaries, settings, begun["tiles"])
        output.write_text(output.data / MANIFEST_FILE, to_text(manifest))  # last: what it lists is there
        output.complete()
    return summaries


def plan(
    source: Source,
    splits: Mapping[str, Sequence[Tile]],
    raw_dir: Path,
    output: Output,
    num_shards: int | None,
    seed: int,
    strict: bool,
) -> list[ShardTask]:
    """Returns the tasks of all splits: each split's tiles, permuted once, cut into shards of equal length (± 1)."""
    tasks = []
    for split, tiles in splits.items():
        count = num_shards or math.ceil(len(tiles) * source.record_bytes / SHARD_BYTES)
        count = max(1, min(count, len(tiles)))
        order = np.random.default_rng(seed).permutation(len(tiles))
        for index, members in enumerate(np.array_split(order, count)):
            chosen = tuple(tiles[member] for member in members)
            tasks.append(ShardTask(source, raw_dir, output, split, index, count, chosen, strict))
    return tasks


def _settings(
    source: Source,
    splits: Mapping[str, Sequence[Tile]],
    tasks: Sequence[ShardTask],
    seed: int,
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """What must not change between an interrupted run and its continuation."""
    names = json.dumps({split: [tile.name for tile in tiles] for split, tiles in splits.items()})
    return {
        "dataset": f"{source.contract.name} {source.contract.version}",
        "raw_dir": str(tasks[0].raw_dir.resolve()),
        "seed": seed,
        "options": options,
        "num_shards": [sum(task.split == split for task in tasks) for split in splits],
        "tiles": hashlib.sha256(names.encode()).hexdigest(),
    }


def _write_metadata(source: Source, tasks: Sequence[ShardTask], reports: Sequence[ShardReport], data: Path) -> None:
    shards: dict[str, list[ShardReport]] = {}
    for task, report in zip(tasks, reports, strict=True):
        shards.setdefault(task.split, []).append(report)
    template = tfds.core.ShardedFileTemplate(
        data_dir=data, dataset_name=source.contract.name, filetype_suffix="array_record"
    )
    tfds.folder_dataset.write_metadata(
        data_dir=data,
        features=features(source.contract, source.target_fields),
        split_infos=[
            tfds.core.SplitInfo(
                name=split,
                shard_lengths=[report.kept * source.contract.blocks**2 for report in mine],
                num_bytes=sum(report.num_bytes for report in mine),
                filename_template=template.replace(split=split),
            )
            for split, mine in shards.items()
        ],
        version=source.contract.version,
        check_data=False,  # would need TensorFlow
    )
    write_contract(source.contract, data)


def _metadata_files(source: Source, raw_dir: Path) -> dict[str, Path]:
    """Returns the files in the raw folder that list or describe tiles, by name; a `TileError` at a link out of it."""
    described = sorted({name for pattern in source.metadata_files for name in find_files(raw_dir, pattern)})
    for name in described:
        check_links(raw_dir, raw_dir / name)
    return {name: raw_dir / name for name in described}


def _manifest(
    source: Source,
    described: Mapping[str, Path],
    tasks: Sequence[ShardTask],
    reports: Sequence[ShardReport],
    summaries: Sequence[Summary],
    settings: Mapping[str, Any],
    tiles: str,
) -> Manifest:
    data = tasks[0].output.data
    shards = {
        task.file_name: Shard(
            split=task.split,
            tiles=report.kept,
            records=report.kept * source.contract.blocks**2,
            bytes=report.file_bytes,
            crc32c=report.crc32c,
            ends_crc32c=report.ends_crc32c,
        )
        for task, report in zip(tasks, reports, strict=True)
    }
    others = sorted(file_names(data) - set(shards))
    return Manifest(
        dataset=source.contract.name,
        dataset_version=source.contract.version,
        builder_version=importlib.metadata.version("mmae_jax"),
        settings=immutabledict(settings),
        sources=immutabledict({name: sha256(path) for name, path in described.items()}),
        shards=immutabledict(shards),
        metadata=immutabledict({name: sha256(data / name) for name in others}),
        skipped=tuple(message for report in reports for message in report.skipped),
        dropped_dates=immutabledict({summary.split: summary.dropped_dates for summary in summaries}),
        missing=immutabledict({summary.split: immutabledict(summary.missing) for summary in summaries}),
        tiles=tiles,
    )

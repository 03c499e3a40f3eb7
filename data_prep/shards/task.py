"""One shard is one task: read its tiles, write one ArrayRecord file under a temporary name, rename it into place.

A task is a picklable value and `write_shard` a function of it alone, so the same tasks run in the calling process, in
local worker processes or as elements of a distributed pipeline, and running one twice is harmless.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from array_record.python.array_record_module import ArrayRecordWriter
from immutabledict import immutabledict

from data_prep.errors import DataPrepError, TileError, naming_errors
from data_prep.problems import DATE, TILE, Problem, collecting
from data_prep.readers.accepted import accepting
from data_prep.readers.dates import in_time
from data_prep.shards.blocks import blocks
from data_prep.shards.classes import present
from data_prep.shards.output import Output
from data_prep.shards.records import Field, Record, features
from data_prep.shards.storage import file_size, publish
from mmae_jax.contract.codec import Codec
from mmae_jax.formats import crc32c, ends_crc32c
from mmae_jax.spec import Dataset

COMPRESSION = {True: "zstd:-1", False: "uncompressed"}
"""Fast compression shrinks elevations, labels and masks; a thorough one shrinks images, too, by 12 %, and takes a fifth
of the time of reading the raw tile."""


class Tile(Protocol):
    """Where one tile's raw data are; datasets add their own fields. Picklable."""

    @property
    def name(self) -> str:
        """Names the tile in records and messages."""


@dataclasses.dataclass(frozen=True)
class Source:
    """A published dataset and how to read it; the functions are module-level, so that a task can be pickled.

    Attributes:
      contract: the sensor contract of the shards.
      target_fields: record field → shape and dtype of what the contract's targets are derived from.
      record_bytes: typical size of a tile on disk, for the default number of shards.
      list_tiles: raw folder → split name → tiles, in published order.
      read_tile: raw folder and tile → record and number of acquisitions dropped as damaged; raises `TileError`.
      metadata_files: patterns of the files in the raw folder that list or describe tiles; the manifest gets their
        checksums.
      accept: checks of raw files whose findings are right after all, see `data_prep.readers.accepted`.
      compressed: whether records are compressed: worth its time where they hold much else than images.
    """

    contract: Dataset
    target_fields: Mapping[str, Field]
    record_bytes: int
    list_tiles: Callable[[Path], Mapping[str, Sequence[Any]]]
    read_tile: Callable[[Path, Any], tuple[Record, int]]
    metadata_files: tuple[str, ...] = ()
    accept: frozenset[str] = frozenset()
    compressed: bool = True


@dataclasses.dataclass(frozen=True)
class ShardTask:
    """One shard to write: shard `index` of `count` of a split."""

    source: Source
    raw_dir: Path
    output: Output
    split: str
    index: int
    count: int
    tiles: tuple[Tile, ...]
    strict: bool

    @property
    def file_name(self) -> str:
        """File name by the `tfds` convention."""
        return f"{self.source.contract.name}-{self.split}.array_record-{self.index:05d}-of-{self.count:05d}"

    @property
    def data_path(self) -> Path:
        """The finished shard."""
        return self.output.data / self.file_name

    @property
    def report_path(self) -> Path:
        """What happened while the shard was written."""
        return self.output.reports / f"{self.file_name}.json"


@dataclasses.dataclass(frozen=True)
class ShardReport:
    """What became of the tiles of a shard.

    Attributes:
      kept: tiles written.
      num_bytes: size of their encoded records.
      problems: tiles and parts of tiles that could not be used.
      dropped_dates: acquisitions left out of kept tiles because a value was damaged.
      missing: modality → kept tiles that have no acquisition of it.
      classes: target with classes → indices of those that a kept tile has.
      largest_percent: modality with masks → the largest percent in masks of kept tiles.
      file_bytes: size of the shard, known when it is closed.
      crc32c: checksum of the shard, hexadecimal; likewise known when it is closed.
      ends_crc32c: that of its beginning and end; likewise.
    """

    kept: int
    num_bytes: int
    problems: tuple[Problem, ...]
    dropped_dates: int
    missing: Mapping[str, int]
    classes: Mapping[str, Sequence[int]]
    largest_percent: Mapping[str, int] = immutabledict()
    file_bytes: int = 0
    crc32c: str = ""
    ends_crc32c: str = ""

    @property
    def skipped(self) -> tuple[str, ...]:
        """One message per tile that could not be used."""
        return tuple(f"{each.tile}: {each.message}" for each in self.problems if each.left_out == TILE)


def finished(task: ShardTask) -> ShardReport | None:
    """Returns the report of a shard an earlier run finished, None if it is still to be written."""
    try:
        plain = json.loads(task.report_path.read_text())
        report = ShardReport(**plain | {"problems": tuple(Problem(**each) for each in plain["problems"])})
        complete = file_size(task.data_path) == report.file_bytes
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None
    return report if complete and not (task.strict and report.skipped) else None


def write_shard(task: ShardTask, on_tile: Callable[[], object]) -> ShardReport:
    """Writes the shard of `task`, and its report, under their final names.

    Args:
      task: what to write.
      on_tile: called after each tile, kept or skipped.

    Raises:
      TileError: a tile cannot be used and `task.strict` is set.
      DataPrepError: the shard cannot be written.
    """
    with task.output.temporary(task.file_name) as temporary:
        try:
            # one record a group: random access reads nothing but the record asked for
            writer = ArrayRecordWriter(str(temporary), f"group_size:1,{COMPRESSION[task.source.compressed]}")
            try:
                report = _write_tiles(task, writer, on_tile)
            finally:
                writer.close()
        except RuntimeError as error:  # what ArrayRecord raises for every failed write
            raise DataPrepError(f"{temporary}: cannot be written ({error})") from error
        report = dataclasses.replace(
            report,
            file_bytes=temporary.stat().st_size,
            crc32c=crc32c(temporary),
            ends_crc32c=ends_crc32c(temporary),
        )
        task.output.write_text(task.report_path, json.dumps(dataclasses.asdict(report)))
        publish(temporary, task.data_path)  # last: a shard that is there is complete
    return report


def _write_tiles(task: ShardTask, writer: ArrayRecordWriter, on_tile: Callable[[], object]) -> ShardReport:
    source = task.source
    codec = Codec(features(source.contract, source.target_fields))
    kept = num_bytes = dropped_dates = 0
    missing = dict.fromkeys(source.contract.modalities, 0)
    largest = {name: 0 for name, modality in source.contract.modalities.items() if modality.mask_channels}
    seen = {name: set[int]() for name, target in source.contract.targets.items() if target.classes}
    problems: list[Problem] = []
    for tile in task.tiles:
        found = read_reported(task, tile)
        if isinstance(found, Problem):
            problems.append(found)
        else:
            record, dropped, of_parts = found
            problems += of_parts
            record |= {name: in_time(record[name]) for name in missing}
            stored = blocks(record, source.contract)
            for encoded in codec.encode_all(stored.shared, stored.own):
                writer.write(encoded)
                num_bytes += len(encoded)
            kept += 1
            dropped_dates += dropped
            for name in missing:
                missing[name] += len(record[name]["dates"]) == 0
            for name in largest:
                largest[name] = max(largest[name], int(record[name]["mask"].max(initial=0)))
            for name in seen:
                target = source.contract.targets[name]
                seen[name] |= present(target, record[target.field])
        on_tile()
    classes = {name: sorted(each) for name, each in seen.items()}
    return ShardReport(kept, num_bytes, tuple(problems), dropped_dates, missing, classes, largest)


def read_reported(task: ShardTask, tile: Tile) -> tuple[Record, int, list[Problem]] | Problem:
    """Returns the record of a tile, the number of dropped dates and what is known of them; or why it cannot be used."""
    try:
        # "the tile" where its reader names no file
        with accepting(task.source.accept), collecting() as problems, naming_errors("the tile"):
            record, dropped = task.source.read_tile(task.raw_dir, tile)
    except TileError as error:
        if task.strict:
            raise TileError(f"{tile.name}: {error}") from error
        return Problem(tile.name, TILE, str(error))
    if dropped and not problems:
        problems.append(Problem(tile.name, DATE, f"dates without a usable value, found {dropped}"))
    return record, dropped, problems

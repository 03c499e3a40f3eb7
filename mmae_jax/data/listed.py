"""What the metadata of a folder of shards list, held against the manifest that was written with the shards."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from etils import epath

from mmae_jax.contract import warn_once
from mmae_jax.data.records import DataError, ShardFile
from mmae_jax.formats import MANIFEST_FILE, crc32c, ends_crc32c, read_json, seal_of

INFO_FILE = "dataset_info.json"


def check_listed(directory: epath.Path, files: Mapping[str, Sequence[ShardFile]]) -> None:
    """Stops where shards are not those that were prepared; a folder without a manifest is taken at its word, aloud.

    Args:
      directory: folder of shards.
      files: split → its files, as the dataset's metadata list them.

    Raises:
      DataError: the message names the file and the field.
    """
    shards = _listed(directory)
    if shards is None:
        warn_once(f"{directory / MANIFEST_FILE}: not found; whether all records are there is not checked")
        return
    for problem in _problems(directory, files, shards):
        raise DataError(problem)


def identity(directory: epath.Path) -> str | None:
    """Returns what tells these shards from others, wherever they lie: a checksum of theirs; None without a manifest."""
    shards = _listed(directory)
    return None if shards is None else seal_of(shards)


def states(files: Mapping[str, Sequence[ShardFile]]) -> dict[str, tuple[int, int]]:
    """Returns size and time of change of each file on a disk, which tell whether it was rewritten since."""
    paths = [file.filename for listed in files.values() for file in listed if "://" not in file.filename]
    return {path: (found.st_size, found.st_mtime_ns) for path in paths if (found := os.stat(path))}


def check_unchanged(
    directory: epath.Path, files: Mapping[str, Sequence[ShardFile]], before: Mapping[str, tuple[int, int]]
) -> None:
    """Raises a `DataError` where a file is another than when `before` was taken, though its manifest may list it."""
    changed = [epath.Path(path) for path, state in states(files).items() if state != before.get(path)]
    shards = (_listed(directory) if changed else None) or {}  # asked for each epoch: mostly, nothing is to be read
    for path in changed:
        if shards.get(path.name, {}).get("crc32c") != crc32c(path):
            raise DataError(f"{path}: was rewritten while this run read it; restore it, and run the same command again")


def _listed(directory: epath.Path) -> dict[str, dict[str, Any]] | None:
    """Returns what the manifest says of each shard, None where there is no manifest."""
    path = directory / MANIFEST_FILE
    if not path.exists():
        return None
    shards = read_json(path, DataError).get("shards")
    if not isinstance(shards, dict) or not all(isinstance(shard, dict) for shard in shards.values()):
        raise DataError(f"{path}: shards: expected names of files with what is in them, found {type(shards).__name__}")
    return shards


def _problems(
    directory: epath.Path, files: Mapping[str, Sequence[ShardFile]], shards: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    listed = {epath.Path(file.filename).name: (split, file) for split, all_ in files.items() for file in all_}
    way_out = "copy the folder again, or prepare it again"
    for name in sorted(shards.keys() - listed.keys()):
        if shards[name].get("records"):
            yield f"{directory / INFO_FILE}: splits: {name} is missing, which {MANIFEST_FILE} lists; {way_out}"
    for name, (split, file) in listed.items():
        where, expected = f"{directory / INFO_FILE}: splits.{split}.shardLengths", shards.get(name)
        if expected is None:
            yield f"{where}: {name} is not in {MANIFEST_FILE}; {way_out}"
        elif expected.get("split") != split or expected.get("records") != file.examples_in_shard:
            yield (
                f"{where}: expected {expected.get('records')} records of {expected.get('split')} in {name} as in "
                f"{MANIFEST_FILE}, found {file.examples_in_shard}; {way_out}"
            )
        elif "://" not in file.filename:
            yield from (f"{problem}; {way_out}" for problem in _file_problems(Path(file.filename), expected))


def _file_problems(path: Path, expected: Mapping[str, Any]) -> Iterator[str]:
    size, ends = path.stat().st_size, expected.get("ends_crc32c")
    if size != expected.get("bytes"):
        yield (
            f"{path}: expected {expected.get('bytes')} bytes as in {MANIFEST_FILE}, found {size}: it was rewritten or "
            "is incomplete"
        )
    elif ends and (found := ends_crc32c(path)) != ends:
        yield f"{path}: expected checksum {ends} of its ends as in {MANIFEST_FILE}, found {found}: it is another file"

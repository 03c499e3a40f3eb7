"""What the metadata of a folder of shards list, held against the manifest that was written with the shards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from etils import epath

from mmae_jax.contract import warn_once
from mmae_jax.data.records import DataError, ShardFile
from mmae_jax.formats import read_json

MANIFEST_FILE = "manifest.json"
INFO_FILE = "dataset_info.json"


def check_listed(directory: epath.Path, files: Mapping[str, Sequence[ShardFile]]) -> None:
    """Stops where shards are not those that were prepared; a folder without a manifest is taken at its word, aloud.

    Args:
      directory: folder of shards.
      files: split → its files, as the dataset's metadata list them.

    Raises:
      DataError: the message names the file and the field.
    """
    path = directory / MANIFEST_FILE
    if not path.exists():
        warn_once(f"{path}: not found; whether all records are there is not checked")
        return
    shards = read_json(path, DataError).get("shards")
    if not isinstance(shards, dict) or not all(isinstance(shard, dict) for shard in shards.values()):
        raise DataError(f"{path}: shards: expected names of files with what is in them, found {type(shards).__name__}")
    for problem in _problems(directory, files, shards):
        raise DataError(problem)


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
        elif "://" not in file.filename and (size := epath.Path(file.filename).stat().length) != expected.get("bytes"):
            yield (
                f"{file.filename}: expected {expected.get('bytes')} bytes as in {MANIFEST_FILE}, found {size}: it was "
                f"rewritten or is incomplete; {way_out}"
            )

"""Checks a folder of shards against its manifest: names every file and record that is absent, damaged or foreign."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from array_record.python.array_record_module import ArrayRecordReader
from tqdm import tqdm

from data_prep.errors import DataPrepError
from data_prep.shards.manifest import Manifest, Shard, read_manifest, sha256
from data_prep.shards.storage import file_names, file_size, local_copy
from mmae_jax import spec
from mmae_jax.contract import CONTRACT_FILE, read_contract
from mmae_jax.data.records import DataError, Records, ShardFile
from mmae_jax.formats import MANIFEST_FILE, crc32c

MAX_RECORDS_NAMED = 10
"""Damaged records named per shard."""


def verify(directory: Path, processes: int = 1) -> str:
    """Returns one line that says what was checked, if all is as it was written.

    Args:
      directory: folder of shards.
      processes: local worker processes.

    Raises:
      DataPrepError: something is not; one line for each.
    """
    if not directory.is_dir():
        raise DataPrepError(f"{directory}: is not a folder")
    problems = []
    try:
        read_contract(directory)
    except spec.SpecError as error:
        problems.append(str(error))
    try:
        manifest = read_manifest(directory)
    except DataPrepError as error:
        problems.append(str(error))
        raise _summary(directory, problems) from error
    problems += _check_folder(directory, manifest)
    present = file_names(directory)
    shards = {name: shard for name, shard in manifest.shards.items() if name in present}
    with tqdm(total=sum(shard.bytes for shard in shards.values()), unit="B", unit_scale=True) as bar:
        for name, found in _check_shards(directory, shards, processes):
            problems += found
            bar.update(shards[name].bytes)
    if problems:
        raise _summary(directory, problems)
    records = sum(shard.records for shard in shards.values())
    return f"{directory}: {len(shards)} shards with {records} records are as the manifest says"


def _summary(directory: Path, problems: list[str]) -> DataPrepError:
    lines = "\n  ".join(problems)
    return DataPrepError(
        f"{directory}: {len(problems)} problem{'s' if len(problems) > 1 else ''}; copy the files named here again, or "
        f"prepare the dataset again\n  {lines}"
    )


def _check_folder(directory: Path, manifest: Manifest) -> Iterator[str]:
    """Yields what is wrong with the folder's list of files and with the files that are not shards."""
    present = file_names(directory)
    listed = {*manifest.shards, *manifest.metadata, MANIFEST_FILE}
    yield from (f"{directory / name}: not found, though the manifest lists it" for name in sorted(listed - present))
    yield from (f"{directory / name}: is not in the manifest" for name in sorted(present - listed))
    for name, expected in manifest.metadata.items():
        if name in present and (found := sha256(directory / name)) != expected:
            yield f"{directory / name}: was changed: expected SHA-256 {expected}, found {found}"
    if CONTRACT_FILE not in manifest.metadata:
        yield f"{directory / MANIFEST_FILE}: metadata: expected {CONTRACT_FILE}, found none"
    for split in sorted({shard.split for shard in manifest.shards.values()}):
        if not sum(shard.records for shard in manifest.shards.values() if shard.split == split):
            yield f"{directory}: split {split} holds no records"


def _check_shards(directory: Path, shards: dict[str, Shard], processes: int) -> Iterable[tuple[str, list[str]]]:
    if processes == 1:
        yield from ((name, _check_shard(directory / name, shard)) for name, shard in shards.items())
        return
    context = multiprocessing.get_context("spawn")  # forking a process with threads can deadlock
    executor = concurrent.futures.ProcessPoolExecutor(processes, context)
    try:
        pending = {executor.submit(_check_shard, directory / name, shard): name for name, shard in shards.items()}
        for future in concurrent.futures.as_completed(pending):
            yield pending[future], future.result()
    finally:
        executor.shutdown(cancel_futures=True)


def _check_shard(path: Path, shard: Shard) -> list[str]:
    """Returns what is wrong with one shard."""
    with local_copy(path) as local:
        return [f"{path}: {problem}" for problem in _problems(path.parent, local, shard)]


def _problems(directory: Path, local: Path, shard: Shard) -> Iterator[str]:
    size = file_size(local)
    if size != shard.bytes:
        yield f"expected {shard.bytes} bytes, found {size}"
    elif (found := crc32c(local)) != shard.crc32c:
        yield f"was changed: expected CRC-32C {shard.crc32c}, found {found}"
    try:
        reader = ArrayRecordReader(str(local))
        number = reader.num_records()
        reader.close()
    except Exception as error:
        yield f"cannot be opened ({' '.join(str(error).split())})"
        return
    if number != shard.records:
        yield f"expected {shard.records} records, found {number}"
    yield from _damaged_records(directory, local, number)


def _damaged_records(directory: Path, local: Path, number: int) -> Iterator[str]:
    try:
        features = tfds.builder_from_directory(directory).info.features
        contract = read_contract(directory)
    except Exception as error:
        yield f"records were not checked: the list of their fields cannot be read ({' '.join(str(error).split())})"
        return
    fields = {name: _leaves(feature) for name, feature in features.items()}
    records = Records(str(directory), [ShardFile(str(local), 0, number, number)], contract, fields)
    damaged = 0
    for index in range(number):
        try:
            records[index]
        except DataError as error:
            damaged += 1
            if damaged <= MAX_RECORDS_NAMED:
                yield str(error).removeprefix(f"{local}: ")
    if damaged > MAX_RECORDS_NAMED:
        yield f"{damaged} of {number} records are damaged; the first {MAX_RECORDS_NAMED} are named"


def _leaves(feature: Any) -> Any:
    return dict.fromkeys(feature, True) if isinstance(feature, tfds.features.FeaturesDict) else True

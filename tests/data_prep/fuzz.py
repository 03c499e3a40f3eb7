"""Damages raw files at random, but alike in each run, and reads them: a tile is named or read, nothing else happens."""

from __future__ import annotations

import contextlib
import signal
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_prep.errors import DataPrepError
from data_prep.problems import Problem
from data_prep.readers.listing import find_files
from data_prep.readers.splits import check_tiles
from data_prep.shards.blocks import blocks
from data_prep.shards.output import Output
from data_prep.shards.records import features
from data_prep.shards.task import ShardTask, Source, read_reported
from mmae_jax.contract.codec import Codec

NUMBERS = [12, pytest.param(2000, marks=pytest.mark.slow)]
"""How many files are damaged: a sample, and all."""
SECONDS = 120
"""In which a file must be read or refused; busy machines are slow."""
HEADER = 600
TIFF_TAG = struct.Struct("<HHII")


def flip(content: bytearray, rng: np.random.Generator) -> None:
    for position in rng.integers(len(content), size=rng.integers(1, 9)):
        content[position] ^= 1 << int(rng.integers(8))


def flip_header(content: bytearray, rng: np.random.Generator) -> None:
    for position in rng.integers(min(len(content), HEADER), size=rng.integers(1, 9)):
        content[position] = int(rng.integers(256))


def cut(content: bytearray, rng: np.random.Generator) -> None:
    del content[int(rng.integers(len(content))) :]


def swap(content: bytearray, rng: np.random.Generator) -> None:
    length = int(rng.integers(1, max(2, len(content) // 4)))
    first, second = (int(start) for start in rng.integers(max(1, len(content) - length), size=2))
    content[first : first + length], content[second : second + length] = (
        content[second : second + length],
        content[first : first + length],
    )


def blank(content: bytearray, rng: np.random.Generator) -> None:
    start = int(rng.integers(len(content)))
    length = min(int(rng.integers(1, 4096)), len(content) - start)
    content[start : start + length] = bytes(length)


def insert(content: bytearray, rng: np.random.Generator) -> None:
    start = int(rng.integers(len(content)))
    content[start:start] = rng.bytes(int(rng.integers(1, 64)))


def remove(content: bytearray, rng: np.random.Generator) -> None:
    start = int(rng.integers(len(content)))
    del content[start : start + int(rng.integers(1, 64))]


def change_tag(content: bytearray, rng: np.random.Generator) -> None:
    """Changes tag, type, number or value of an entry of a TIFF's first directory; other files' headers otherwise."""
    start = struct.unpack_from("<I", content, 4)[0] if content[:4] == b"II*\0" else len(content)
    if start + 2 > len(content):
        return flip_header(content, rng)
    entry = start + 2 + TIFF_TAG.size * int(rng.integers(struct.unpack_from("<H", content, start)[0]))
    fields = list(TIFF_TAG.unpack_from(content, entry))
    which = int(rng.integers(4))
    fields[which] = int(rng.choice([0, 1, 2, 3, 5, 255, 4096, 65535, int(rng.integers(65536))]))
    TIFF_TAG.pack_into(content, entry, *fields)
    return None


MUTATIONS = (flip, flip_header, cut, swap, blank, insert, remove, change_tag)


@contextlib.contextmanager
def mutated(
    path: Path, mutation: Callable[[bytearray, np.random.Generator], None], seed: Sequence[int]
) -> Iterator[None]:
    """Damages a file, and restores it."""
    original = path.read_bytes()
    content = bytearray(original)
    mutation(content, np.random.default_rng(seed))
    path.unlink()  # it may be linked to another
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(original)


@contextlib.contextmanager
def in_time() -> Iterator[None]:
    """Raises a `TimeoutError` of no library where reading hangs."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt("a file was read for too long")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def read_damaged(
    source: Source, raw_dir: Path, files_of: Callable[[Any], Sequence[Path]], number: int, seed: int = 0
) -> Counter[str]:
    """Reads tiles of which one file is damaged.

    Args:
      source: the dataset.
      raw_dir: its files, which are damaged one after the other and restored.
      files_of: tile → its files.
      number: of damages.
      seed: of the damages.

    Returns:
      How many tiles were named, and how many read.
    """
    task = ShardTask(source, raw_dir, Output(raw_dir), "train", 0, 1, (), False)
    codec = Codec(features(source.contract, source.target_fields))
    tiles = [tile for members in source.list_tiles(raw_dir).values() for tile in members]
    found: Counter[str] = Counter()
    for case in range(number):
        rng = np.random.default_rng([seed, case])
        tile = tiles[int(rng.integers(len(tiles)))]
        paths = [path for path in files_of(tile) if path.is_file() and path.stat().st_size]
        path, mutation = paths[int(rng.integers(len(paths)))], MUTATIONS[case % len(MUTATIONS)]
        with mutated(path, mutation, [seed, case, 1]):
            try:
                with in_time():
                    result = read_reported(task, tile)
                    if not isinstance(result, Problem):
                        stored = blocks(result[0], source.contract)
                        list(codec.encode_all(stored.shared, stored.own))
            except BaseException as error:
                raise AssertionError(f"case {case}: {mutation.__name__} of {path.name}: {error!r}") from error
        found["named" if isinstance(result, Problem) else "read"] += 1
        if isinstance(result, Problem):
            assert "\n" not in result.message, f"case {case}: {result.message}"
    return found


def list_damaged(source: Source, raw_dir: Path, number: int, seed: int = 0) -> Counter[str]:
    """Lists tiles of which one of the files that list or describe them is damaged, and reads the first.

    Arguments and result are those of `read_damaged`; what is named here is a file of the whole dataset.
    """
    task = ShardTask(source, raw_dir, Output(raw_dir), "train", 0, 1, (), False)
    paths = [raw_dir / name for pattern in source.metadata_files for name in find_files(raw_dir, pattern)]
    found: Counter[str] = Counter()
    for case in range(number):
        rng = np.random.default_rng([seed, case])
        path, mutation = paths[int(rng.integers(len(paths)))], MUTATIONS[case % len(MUTATIONS)]
        with mutated(path, mutation, [seed, case, 1]):
            try:
                with in_time():
                    splits = source.list_tiles(raw_dir)
                    check_tiles(splits)
                    read_reported(task, next(tile for tiles in splits.values() for tile in tiles))
                found["read"] += 1
            except DataPrepError:
                found["named"] += 1
            except BaseException as error:
                raise AssertionError(f"case {case}: {mutation.__name__} of {path.name}: {error!r}") from error
    return found

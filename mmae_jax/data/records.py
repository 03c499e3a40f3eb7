"""Random access to the decoded records of a shard folder."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds
from array_record.python.array_record_data_source import ArrayRecordDataSource

from mmae_jax import spec, tasks
from mmae_jax.contract.codec import Codec
from mmae_jax.contract.codec import Record as Record


class DataError(spec.SpecError):
    """Stored data cannot be used; the message names the file, the record and the field."""


class ShardFile(NamedTuple):
    """One ArrayRecord file and how many records the metadata say it holds (the `FileInstruction` of ArrayRecord)."""

    filename: str
    skip: int
    take: int
    examples_in_shard: int


class Records:
    """Decoded records of some splits, one after the other.

    Cheap to copy to another process: files and features are opened there, at the first record.
    """

    def __init__(
        self, directory: str, files: Sequence[ShardFile], dataset: spec.Dataset, fields: Mapping[str, Any]
    ) -> None:
        """Remembers what to read.

        Args:
          directory: folder of the shards.
          files: its files to read, in order.
          dataset: what the shards must hold.
          fields: nested names of the record fields to decode, leaves True; the others are skipped.
        """
        self._directory = directory
        self._files = tuple(files)
        self._dataset = dataset
        self._fields = dict(fields)
        self._ends = np.cumsum([file.take for file in self._files])
        self._bytes = ArrayRecordDataSource(self._files)

    def __len__(self) -> int:
        return len(self._bytes)

    def __getitem__(self, index: int) -> Record:
        """Returns record `index` with the asked fields, as numpy arrays; raises as `read` and `decode`."""
        return self.decode(index, self.read(index))

    def read(self, index: int) -> bytes:
        """Returns record `index` as it is stored.

        Raises:
          DataError: it cannot be read.
        """
        try:
            serialized: bytes = self._bytes[index]
            if not serialized:  # what ArrayRecord reads from a file that ends too early
                raise ValueError("the record is empty")
        except Exception as error:
            where = self._locate(index)
            raise DataError(f"{where}: cannot be read, the file is damaged or incomplete ({error})") from error
        return serialized

    def decode(self, index: int, serialized: bytes) -> Record:
        """Returns the asked fields of stored record `index`, as numpy arrays.

        Raises:
          DataError: it cannot be decoded, or a modality has another shape or dtype than the contract's.
        """
        try:
            record = self.codec.decode(serialized)
        except Exception as error:
            raise DataError(f"{self._locate(index)}: cannot be decoded ({error})") from error
        try:
            _check(record, self._dataset, self._fields)
        except DataError as error:
            raise DataError(f"{self._locate(index)} ({_text(record['name'])}): {error}") from error
        return record

    @property
    def codec(self) -> Codec:
        """Encodes and decodes the asked fields."""
        return _codec(self._directory, self._fields_key())

    def _locate(self, index: int) -> str:
        file = int(np.searchsorted(self._ends, index, side="right"))
        first = self._ends[file] - self._files[file].take
        return f"{self._files[file].filename}: record {index - first}"

    def _fields_key(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        return tuple((name, () if inner is True else tuple(inner)) for name, inner in self._fields.items())


@functools.lru_cache
def _codec(directory: str, fields: tuple[tuple[str, tuple[str, ...]], ...]) -> Codec:
    """Returns the codec of the asked fields; one per process."""
    stored = tfds.builder_from_directory(directory).info.features
    return Codec(
        {name: {part: stored[name][part] for part in parts} if parts else stored[name] for name, parts in fields}
    )


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name


def _check(record: Record, dataset: spec.Dataset, fields: Mapping[str, Any]) -> None:
    """Stops where a modality of `record` contradicts the contract."""
    for name, inner in fields.items():
        if inner is True:
            continue
        modality, stored = dataset.modalities[name], record[name]
        num_dates = len(stored["dates"])
        side = (dataset.stored_side(modality),) * 2
        _expect(f"{name}.pixels", stored["pixels"], (num_dates, len(modality.bands), *side), modality.dtype)
        _expect(f"{name}.dates", stored["dates"], (num_dates, 3), "int16")
        if "mask" in stored:
            _expect(f"{name}.mask", stored["mask"], (num_dates, stored["mask"].shape[1], *side), "uint8")
    for target in dataset.targets.values():
        if target.field in fields and target.pixel_values is None:
            found = np.shape(record[target.field])
            sides: tuple[int, ...] = (dataset.stored_side(target),) * 2 if target.is_raster else ()
            shape = sides + tasks.of(target).shape(target)
            if found != shape:
                raise DataError(f"{target.field}: expected shape {shape}, found {found}")


def _expect(field: str, found: np.ndarray, shape: tuple[int, ...], dtype: str) -> None:
    if found.shape != shape or found.dtype != np.dtype(dtype):
        raise DataError(f"{field}: expected {dtype} {list(shape)}, found {found.dtype} {list(found.shape)}")

"""Records that stay in memory: small shards are read and decoded in the first epoch only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmae_jax.data.records import Record, Records

ROOM = 1 << 28
"""Bytes of decoded records that each reading process keeps."""


class Kept(Sequence[Record]):
    """Records, each of which is read once if all of them seem to fit into `ROOM`; none is kept of larger shards.

    A small model on small tiles, as of field samples, would otherwise wait for its records for half of its time.
    Copies in other processes begin empty.
    """

    def __init__(self, records: Records | Sequence[Record]) -> None:
        self._records, self._bytes = records, 0
        self._kept: dict[int, Record] | None = {}

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> Record:  # type: ignore[override]
        """Returns record `index`; its arrays are read-only."""
        kept = self._kept
        if kept is None:
            return self._records[index]
        if index not in kept:
            kept[index] = self._records[index]
            # Threads that add at a time may count one twice or not at all: the size is an estimate anyhow.
            self._bytes += _size(kept[index])
            if self._bytes / len(kept) * len(self) > ROOM:
                self._kept = None
        return kept[index]

    def __reduce__(self) -> tuple[type[Kept], tuple[Records | Sequence[Record]]]:
        return Kept, (self._records,)


def _size(record: Record) -> int:
    """Returns the bytes of the arrays of a record."""
    return sum(_size(value) if isinstance(value, dict) else np.asarray(value).nbytes for value in record.values())

"""Samples of prepared shards: the fixed crops of each tile, as they are evaluated (docs/method.md §2.1)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from etils import epath

from mmae_jax.config import to_plain
from mmae_jax.contract import in_use
from mmae_jax.contract.codec import Record
from mmae_jax.data import crops
from mmae_jax.data.batch import Batch
from mmae_jax.data.records import Records
from mmae_jax.data.sample import eval_sample
from mmae_jax.data.shards import Shards, needed_fields, open_shards
from mmae_jax.data.tiles import Tile
from mmae_jax.embeddings.places import place_of
from mmae_jax.embeddings.samples import About
from mmae_jax.formats import seal_of
from mmae_jax.spec import Experiment


class ShardSamples:
    """All crops of the tiles of some splits, tile by tile."""

    def __init__(self, shards: Shards, splits: Sequence[str]) -> None:
        """Remembers what to read.

        Args:
          shards: opened shards; the targets of their experiment are read, too.
          splits: which, one after the other.

        Raises:
          DataError: a split is not there, or holds no records.
        """
        self.experiment = shards.experiment
        self.origins: Sequence[str] = (shards.directory,)
        self._crops = self.experiment.data.repeats**2
        self._splits = tuple(splits)
        shards.records(splits)  # whether they are there
        files = [file for split in splits for file in shards.files[split]]
        fields = needed_fields(self.experiment) | {"crs": True, "transform": True}
        self._records = Records(shards.directory, files, self.experiment.dataset, fields)
        self._ends = np.cumsum([shards.num_tiles((split,)) for split in splits])
        identity = shards.identity or seal_of({name: list(state) for name, state in shards.states.items()})
        self.fingerprint = seal_of({"shards": identity, "splits": list(splits), **how_read(self.experiment)})

    @property
    def area(self) -> None:
        """None: these are tiles."""
        return

    def __len__(self) -> int:
        return int(self._ends[-1]) * self._crops

    def sample(self, index: int) -> tuple[Batch, About]:
        """Returns a crop of a tile, and what is known of it; raises as `Tile.read`."""
        crop, read = self._read(index)
        sample = eval_sample(self.experiment, read, crop)  # type: ignore[arg-type]
        return sample, self._about(index, read.record)

    def stored(self, index: int) -> tuple[Record, About]:
        """Returns what is stored of a crop of a tile, all acquisitions, and what is known of it; raises as `sample`."""
        crop, read = self._read(index)
        record = read.read(self._start(crop), self.experiment.crop_cells)
        return record, self._about(index, record)

    def _read(self, index: int) -> tuple[int, _Read]:
        tile, crop = divmod(index, self._crops)
        return crop, _Read(Tile(self._records, self.experiment.dataset, tile))

    def _start(self, crop: int) -> crops.Cell:
        return crops.fixed_start(crop, self.experiment.data.repeats, self.experiment.dataset.size_gcd)

    def _about(self, index: int, record: Record) -> About:
        tile, crop = divmod(index, self._crops)
        name = record["name"]
        split = self._splits[int(np.searchsorted(self._ends, tile, side="right"))]
        place = place_of(record, self.experiment.dataset, self._start(crop), self.experiment.crop_cells)
        return About(name.decode() if isinstance(name, bytes) else name, split, crop, place)


def open_samples(experiment: Experiment, directory: epath.PathLike, splits: Sequence[str] = ()) -> ShardSamples:
    """Opens the shards in a folder as samples of an experiment; its targets are read with them.

    Args:
      experiment: that of the model.
      directory: the folder.
      splits: all that are there by default.

    Raises:
      SpecError: the shards are not there, or are not what the experiment expects.
    """
    data = dataclasses.replace(experiment.data, dir=str(directory))
    shards = open_shards(dataclasses.replace(experiment, data=data))
    return ShardSamples(shards, splits or [split for split in shards.files if shards.has_samples(split)])


class _Read:
    """A tile that keeps what it has read."""

    def __init__(self, tile: Tile) -> None:
        self._tile = tile
        self.record: Record = {}

    def read(self, start: crops.Cell, cells: int) -> Record:
        self.record = self._tile.read(start, cells)
        return self.record


def how_read(experiment: Experiment) -> dict[str, object]:
    """Returns what of an experiment decides what a sample is."""
    plain = to_plain(experiment)
    data = {name: plain["data"][name] for name in ("crop_meters", "repeats")}
    contract = to_plain(in_use(experiment.dataset, experiment))
    return {"inputs": plain["inputs"], "targets": list(experiment.targets), "data": data, "contract": contract}

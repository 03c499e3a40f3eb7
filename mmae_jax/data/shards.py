"""Opening a folder of shards: what must be there before the first step, and whether it is what the model expects."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import tensorflow_datasets as tfds
from etils import epath

from mmae_jax import contract, spec
from mmae_jax.data import listed
from mmae_jax.data.kept import Kept
from mmae_jax.data.records import DataError, Records, ShardFile
from mmae_jax.data.tiles import Tiles
from mmae_jax.formats import read_json

FEATURES_FILE = "features.json"


@dataclasses.dataclass(frozen=True)
class Shards:
    """A checked folder of shards.

    Attributes:
      directory: the folder.
      experiment: what will be read from it.
      files: split → its files.
      identity: what tells the shards from others; None where no manifest does.
      states: size and time of change of each file on a disk, when the folder was opened.
    """

    directory: str
    experiment: spec.Experiment
    files: dict[str, tuple[ShardFile, ...]]
    identity: str | None
    states: dict[str, tuple[int, int]]

    def check_unchanged(self) -> None:
        """Raises a `DataError` where a file was rewritten since the folder was opened."""
        listed.check_unchanged(epath.Path(self.directory), self.files, self.states)

    def num_tiles(self, splits: Sequence[str]) -> int:
        """Returns the number of tiles in `splits` together."""
        return sum(file.take for split in splits for file in self._files(split)) // self.experiment.dataset.blocks**2

    def num_samples(self, splits: Sequence[str]) -> int:
        """Returns the number of samples of an epoch: tiles · repeats² (docs/method.md §2.1)."""
        return self.num_tiles(splits) * self.experiment.data.repeats**2

    def has_samples(self, split: str) -> bool:
        """Returns whether there is such a split and it holds records."""
        return split in self.files and self.num_tiles((split,)) > 0

    def check_phase(self, phase: str) -> None:
        """Checks that the splits which a phase trains on, and chooses an epoch by, are there and hold records.

        Raises:
          DataError: one is not; names the field that asks for it, and the splits that are there.
        """
        settings = self.experiment.phase(phase)
        wanted = [("train_splits", split) for split in settings.train_splits]
        wanted += [(field, "val") for field in ("monitor", "patience") if getattr(settings, field) is not None]
        for field, split in wanted:
            if not self.has_samples(split):
                there = ", ".join(name for name in self.files if self.has_samples(name)) or "none"
                raise DataError(f"{phase}.{field}: expected a split {split} in {self.directory}, found {there}")

    def source(self, splits: Sequence[str], *, again: bool = False) -> Tiles:
        """Returns the tiles of `splits`, one split after the other.

        Args:
          splits: names.
          again: whether they will be read again and again, so that it pays to keep them in memory.

        Raises:
          DataError: there is no such split, or it is empty.
        """
        records = self.records(splits)
        return Tiles(Kept(records) if again else records, self.experiment.dataset)

    def records(self, splits: Sequence[str]) -> Records:
        """Returns the records of `splits`, one split after the other, with the fields the experiment needs.

        Raises:
          DataError: there is no such split, or it is empty.
        """
        if not self.num_tiles(splits):
            raise DataError(f"{self.directory}: split {', '.join(splits)} holds no records")
        files = [file for split in splits for file in self._files(split)]
        return Records(self.directory, files, self.experiment.dataset, needed_fields(self.experiment))

    def _files(self, split: str) -> tuple[ShardFile, ...]:
        if split not in self.files:
            raise DataError(f"{self.directory}: no split {split!r}; found {', '.join(self.files) or 'none'}")
        return self.files[split]


def needed_fields(experiment: spec.Experiment) -> dict[str, Any]:
    """Returns the record fields an experiment reads, nested names with leaves True."""
    fields: dict[str, Any] = {"name": True, "ref_date": True}
    for name, model_input in experiment.inputs.items():
        modality = experiment.modality(name)
        parts = fields.setdefault(experiment.modality_name(name), {"pixels": True, "dates": True})
        if modality.quantum is not None:
            parts["base"] = True
        if modality.mask_channels and model_input.mask_threshold < 100:
            parts["mask"] = True
    return fields | {experiment.dataset.targets[name].field: True for name in experiment.targets}


def open_shards(experiment: spec.Experiment) -> Shards:
    """Returns the shards in `experiment.data.dir`.

    Raises:
      ContractError: they carry no sensor contract, or another one than the experiment's.
      DataError: the folder, its metadata or one of its files is not there.
    """
    directory = epath.Path(experiment.data.dir)
    if not experiment.data.dir:
        raise DataError("data.dir: expected a folder of shards, found none; say --config.data.dir=DIR")
    if not directory.is_dir():
        raise DataError(f"data.dir: {directory} is not a folder; write shards with `python -m data_prep`")
    stored = contract.in_use(contract.read_contract(directory), experiment)
    expected = contract.in_use(experiment.dataset, experiment)
    contract.check_contract(expected, stored, directory, experiment.data.allow)
    files = shard_files(directory)
    return Shards(str(directory), experiment, files, listed.identity(directory), listed.states(files))


def shard_files(directory: epath.PathLike) -> dict[str, tuple[ShardFile, ...]]:
    """Returns split → its files, as the metadata of a folder of shards list them.

    Raises:
      DataError: the metadata cannot be read, a file is not there, or the manifest says otherwise.
    """
    directory = epath.Path(directory)
    for name in (listed.INFO_FILE, FEATURES_FILE):
        if not (directory / name).exists():
            raise DataError(f"{directory / name}: not found; the folder is incomplete, copy or prepare it again")
        read_json(directory / name, DataError)
    try:
        splits = tfds.builder_from_directory(directory).info.splits
        files = {name: tuple(_shard_file(file) for file in split.file_instructions) for name, split in splits.items()}
    except Exception as error:
        text = " ".join(str(error).split())[:200]
        raise DataError(f"{directory / listed.INFO_FILE}: the dataset's metadata cannot be read ({text})") from error
    present = {path.name for path in directory.iterdir()}
    for file in (file for split_files in files.values() for file in split_files):
        if epath.Path(file.filename).name not in present:
            raise DataError(f"{file.filename}: not found, though the metadata of {directory} list it")
    listed.check_listed(directory, files)
    return files


def _shard_file(instruction: Any) -> ShardFile:
    return ShardFile(
        str(instruction.filename), int(instruction.skip), int(instruction.take), int(instruction.examples_in_shard)
    )

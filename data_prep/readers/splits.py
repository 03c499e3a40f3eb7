"""Which tiles belong to train, val and test: the csv files that the datasets with published splits have in common.

They are named `{split}[_{version}][_filtered_{percent}][_fold_{fold}].csv`, in this order; the options chosen apply to
all three splits. Those of the published experiments are in the Hugging Face repository IGNF/MAESTRO_FLAIR-HUB_base.
"""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data_prep.errors import DataPrepError
from data_prep.readers.inside import check_links
from data_prep.readers.tables import note, read_rows
from mmae_jax.checks.names import NAME

SPLITS = ("train", "val", "test")

_MEANT = {"training": "train", "validation": "val", "valid": "val", "dev": "val", "testing": "test"}

PUBLISHED_IN = "Hugging Face, IGNF/MAESTRO_FLAIR-HUB_base/dataset_splits"


@dataclasses.dataclass(frozen=True)
class SplitFiles:
    """One choice among the published splits of a dataset; what is None adds nothing to the file names.

    Attributes:
      version: version of the dataset, e.g. `flair2`.
      filter_percent: share of the training tiles that is kept, in percent.
      fold: number of the fold of a cross-validation.
    """

    version: str | None = None
    filter_percent: int | None = None
    fold: int | None = None

    def name(self, split: str) -> str:
        """Returns the file name of one split."""
        parts = [split]
        if self.version is not None:
            parts.append(self.version)
        if self.filter_percent is not None:
            parts.append(f"filtered_{self.filter_percent}")
        if self.fold is not None:
            parts.append(f"fold_{self.fold}")
        return "_".join(parts) + ".csv"

    def paths(self, directory: Path) -> dict[str, Path]:
        """Returns the file of each split in `directory`, whether or not it exists."""
        return {split: directory / self.name(split) for split in SPLITS}

    def present(self, directory: Path) -> bool:
        """Returns whether all splits are in `directory`."""
        return all(path.exists() for path in self.paths(directory).values())

    def require(self, directory: Path, published_folder: str, otherwise: str = "") -> dict[str, Path]:
        """Returns the file of each split.

        Args:
          directory: the folder that they must be in.
          published_folder: folder of the dataset in `PUBLISHED_IN`, e.g. `PASTIS-HD`.
          otherwise: what the user can do without them, e.g. `or choose the dataset's own folds with --fold=1 … 5`.

        Raises:
          DataPrepError: files are absent; names them, where they are published, and `otherwise`.
        """
        paths = self.paths(directory)
        absent = [path for path in paths.values() if not path.exists()]
        if absent:
            others = "".join(f", nor {path.name}" for path in absent[1:])
            way_out = f", {otherwise}" if otherwise else ""
            raise DataPrepError(
                f"{absent[0]}: not found{others}; published in {PUBLISHED_IN}/{published_folder}{way_out}"
            )
        for path in paths.values():
            check_links(directory, path)
        return paths


def check_split(name: str, where: str) -> None:
    """Raises a `DataPrepError` unless `name` can be that of a split; `where` says where it was given.

    Phases train on splits of any name, but evaluate `val` and test `test`, spelt so. TFDS takes letters, digits and
    underscores, and by `all` means all splits.
    """
    usual = meant(name)
    if name not in SPLITS and usual in SPLITS:
        raise DataPrepError(f"{where}: expected {', '.join(SPLITS)}, found {name!r}; did you mean {usual}?")
    if not NAME.fullmatch(name) or usual == "all":
        raise DataPrepError(f"{where}: expected a split's name of letters, digits and underscores, found {name!r}")


def meant(name: str) -> str:
    """Returns the usual name of a split that is spelt in any way."""
    return _MEANT.get(name.strip().lower(), name.strip().lower())


def check_tiles(splits: Mapping[str, Sequence[Any]]) -> None:
    """Raises a `DataPrepError` unless splits are named as they can be, and each tile is in one of them, once.

    Names that differ by case, or by how accents are composed, are one: on some disks they are one file.
    """
    places, spelt = dict[str, str](), dict[str, str]()
    for split, tiles in splits.items():
        check_split(split, "splits")
        for number, tile in enumerate(tiles, 1):
            key = unicodedata.normalize("NFC", tile.name).casefold()
            other = spelt.setdefault(key, tile.name)
            alike = "" if other == tile.name else f", also written {other!r}"
            note(places, key, f"split {split} (its tile {number})", f"tile {tile.name}{alike}")
            try:
                tile.name.encode()
            except UnicodeEncodeError:
                raise DataPrepError(f"split {split}: expected a tile's name in UTF-8, found {tile.name!r}") from None


def read_column(path: Path, column: str) -> list[str]:
    """Returns the values of one column of a csv file: names of tiles.

    Raises:
      DataPrepError: the file cannot be read, lacks the column, holds no tile, or one twice.
    """
    places: dict[str, str] = {}
    for place, row in read_rows(path, column).items():
        if not row[column]:
            raise DataPrepError(f"{path}: {place}: {column}: expected a tile, found nothing")
        note(places, row[column], place, f"{path}: {column}: {row[column]}")
    return list(places)

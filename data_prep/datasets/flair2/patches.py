"""Where the patches of the FLAIR#2 release are, and which belong to train, val and test."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from data_prep.errors import DataPrepError
from data_prep.readers.inside import check_links, inside
from data_prep.readers.json_files import read_json
from data_prep.readers.listing import find_files
from data_prep.readers.splits import SPLITS

T = TypeVar("T")

TRAIN_FOLDERS = ("flair_aerial_train", "flair_labels_train", "flair_sen_train")
TEST_FOLDERS = ("flair_2_aerial_test", "flair_2_labels_test", "flair_2_sen_test")
"""Aerial images, labels, Sentinel-2."""

VALIDATION_DOMAINS = frozenset(("D004", "D014", "D029", "D031", "D058", "D066", "D067", "D077"))
"""Departments of the train folders that the publisher's list of areas assigns to validation."""

CENTROIDS = ("flair-2_centroids_sp_to_patch.json", "flair_2_centroids_sp_to_patch.json")
"""Both names occur in the release."""
METADATA = "flair_aerial_metadata.json"


@dataclasses.dataclass(frozen=True)
class Patch:
    """One patch.

    Attributes:
      test: whether it is in the test folders.
      area: domain and area folder, `D004_2021/Z1_NN`.
      number: digits of the file names.
      centroid: row and column of its centre in the area's Sentinel-2 images.
      date: `(year, day of year, hour)` of its aerial image.
    """

    test: bool
    area: str
    number: str
    centroid: tuple[int, int]
    date: tuple[int, int, int]

    @property
    def name(self) -> str:
        """Names the patch in records and messages."""
        return f"{self.area.replace('/', '_')}_IMG_{self.number}"

    def path(self, raw_dir: Path, folder: int, *parts: str) -> Path:
        """Returns a file in folder 0 (aerial images), 1 (labels) or 2 (Sentinel-2)."""
        return inside(raw_dir, (TEST_FOLDERS if self.test else TRAIN_FOLDERS)[folder], self.area, *parts)

    def sentinel(self, raw_dir: Path, part: str) -> Path:
        """Returns a file of the area's Sentinel-2 series."""
        return self.path(raw_dir, 2, "sen", f"SEN2_sp_{self.area.replace('/', '-')}_{part}")


def list_tiles(raw_dir: Path) -> dict[str, list[Patch]]:
    """Returns the patches of each split: those of the validation domains are val, those of the test folders test.

    Raises:
      DataPrepError: a JSON file is absent or damaged, lacks a patch, or a split is empty.
    """
    centroids_path = next((raw_dir / name for name in CENTROIDS if (raw_dir / name).exists()), raw_dir / CENTROIDS[0])
    check_links(raw_dir, centroids_path)
    centroids, metadata = _read_json(centroids_path), _read_json(inside(raw_dir, METADATA))
    splits: dict[str, list[Patch]] = {split: [] for split in SPLITS}
    for test in (False, True):
        for area, image in _images(raw_dir / (TEST_FOLDERS if test else TRAIN_FOLDERS)[0]):
            centroid = _entry(centroids_path, centroids, image, _centroid, "[row, column]")
            date = _entry(
                raw_dir / METADATA, metadata, image.removesuffix(".tif"), _taken, "a date and a time like 10h20"
            )
            number = image.removeprefix("IMG_").removesuffix(".tif")
            split = "test" if test else "val" if area.partition("_")[0] in VALIDATION_DOMAINS else "train"
            splits[split].append(Patch(test, area, number, centroid, date))
    for split, patches in splits.items():
        if not patches:
            raise DataPrepError(
                f"{raw_dir}: expected aerial images of split {split} in {TRAIN_FOLDERS[0]} or {TEST_FOLDERS[0]}, "
                "found none; unzip the archives of FLAIR#2 there"
            )
    return splits


def _images(folder: Path) -> Iterator[tuple[str, str]]:
    """Returns area and file name of the aerial images below a folder, none if it is absent."""
    for path in find_files(folder, "*/*/img/IMG_*.tif"):
        domain, area, _, image = path.split("/")
        yield f"{domain}/{area}", image


def _read_json(path: Path) -> Mapping[str, Any]:
    entries = read_json(path)
    if not isinstance(entries, Mapping):
        raise DataPrepError(
            f"{path}: expected a JSON object with an entry for each image, found {type(entries).__name__}"
        )
    return entries


def _entry(path: Path, entries: Mapping[str, Any], image: str, parse: Callable[[Any], T], expected: str) -> T:
    if image not in entries:
        raise DataPrepError(f"{path}: expected an entry for {image}, found none")
    try:
        return parse(entries[image])
    except (ValueError, TypeError, KeyError) as error:
        raise DataPrepError(f"{path}: {image}: expected {expected}, found {entries[image]!r}") from error


def _centroid(entry: Any) -> tuple[int, int]:
    row, column = entry
    if not all(isinstance(number, int) and not isinstance(number, bool) for number in (row, column)):
        raise ValueError(entry)
    return row, column


def _taken(entry: Any) -> tuple[int, int, int]:
    day = datetime.date.fromisoformat(entry["date"])
    hour = int(entry["time"].partition("h")[0])
    if not 0 <= hour < 24:
        raise ValueError(hour)
    return day.year, day.timetuple().tm_yday, hour

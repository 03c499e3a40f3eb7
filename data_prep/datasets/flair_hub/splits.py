"""Which patches of FLAIR-HUB belong to train, val and test."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from data_prep.errors import DataPrepError
from data_prep.readers.geopackage import check_once, read_rows
from data_prep.readers.inside import inside
from data_prep.readers.listing import find_files
from data_prep.readers.splits import SPLITS, SplitFiles, read_column

OFFICIAL_SPLITS = (*(f"split_{number}" for number in range(1, 6)), "split_flairchallenge")
"""Columns of the publisher's table."""

FLAIR2_PATCHES = 77_762

_OFFICIAL = {"train": "train", "valid": "val", "test": "test"}
_USAGE = {"TRAIN": "train", "VALIDATION": "val", "TEST": "test"}

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Patch:
    """One patch: `{domain}_{area}_{position}`, e.g. `D012-2019_AF-S1-27_5-10`."""

    name: str

    @property
    def domain(self) -> str:
        """Department (or several) and year."""
        return self.name.split("_")[0]

    @property
    def area(self) -> str:
        """Region of interest in the domain."""
        return self.name.split("_")[1]

    @property
    def position(self) -> str:
        """Row and column in the area, from 1."""
        return self.name.split("_")[2]

    def path(self, raw_dir: Path, folder: str) -> Path:
        """Returns the file of the published modality `folder`, e.g. `DEM_ELEV`."""
        # the historical images are of unknown years of the 1950s
        domain = f"{self.domain.rpartition('-')[0]}-195X" if folder.startswith("AERIAL-RLT") else self.domain
        return inside(raw_dir, f"{domain}_{folder}", self.area, f"{domain}_{folder}_{self.area}_{self.position}.tif")


@dataclasses.dataclass(frozen=True)
class SplitChoice:
    """Where the splits are taken from: `official` or `flair2_areas` if set, else csv files.

    Attributes:
      files: names of the csv files.
      csv_dir: folder of the split files; that of the raw data if None.
      official: column of the publisher's `GLOBAL_ALL_MTD_SPLIT.gpkg`.
      flair2_areas: GeoPackage of the FLAIR#2 areas with their FLAIR-HUB names.
    """

    files: SplitFiles
    csv_dir: Path | None = None
    official: str | None = None
    flair2_areas: Path | None = None

    def patches(self, raw_dir: Path) -> dict[str, list[Patch]]:
        """Returns the patches of each split.

        Raises:
          DataPrepError: a file is absent or not as published, a patch has another kind of name, or a split is empty.
        """
        if self.official is not None:
            return _official(inside(raw_dir, "GLOBAL_ALL_MTD", "GLOBAL_ALL_MTD_SPLIT.gpkg"), self.official)
        if self.flair2_areas is not None:
            return _in_areas(raw_dir, self.flair2_areas)
        flair2 = self.files.version == "flair2"
        paths = self.files.require(
            self.csv_dir or raw_dir,
            "FLAIR-HUB",
            "or take the areas of FLAIR#2 with --flair2_areas=FILE.gpkg"
            if flair2
            else f"or take the publisher's split with --official_split={OFFICIAL_SPLITS[0]} … {OFFICIAL_SPLITS[-1]}",
        )
        return {split: _patches(path, read_column(path, "patch_id"), split) for split, path in paths.items()}


def _official(path: Path, column: str) -> dict[str, list[Patch]]:
    check_once(path, "patch_id")
    names: dict[str, list[str]] = {split: [] for split in SPLITS}
    for name, published in read_rows(path, ("patch_id", column)):
        if published not in _OFFICIAL:
            expected = ", ".join(_OFFICIAL)
            raise DataPrepError(f"{path}: {name}: {column}: expected one of {expected}, found {published!r}")
        names[_OFFICIAL[published]].append(name or "")
    return {split: _patches(path, members, split) for split, members in names.items()}


def _in_areas(raw_dir: Path, path: Path) -> dict[str, list[Patch]]:
    names: dict[str, list[str]] = {split: [] for split in SPLITS}
    absent = 0
    for domain, year, area, usage in read_rows(path, ("domain", "year", "id_ocsge", "usage")):
        if usage not in _USAGE or area is None or "-" not in area:
            raise DataPrepError(f"{path}: {area}: usage: expected one of {', '.join(_USAGE)}, found {usage!r}")
        # D004_2021-AA_S1_32, sometimes D036-UA_S1_7: the year of the column holds
        found = _on_disk(raw_dir, f"{domain}-{year}", area.partition("-")[2].replace("_", "-"))
        absent += not found
        names[_USAGE[usage]] += found
    total = sum(map(len, names.values()))
    if total != FLAIR2_PATCHES:
        _log.warning(
            "%s: expected %d patches, found %d; %d areas have no aerial image", raw_dir, FLAIR2_PATCHES, total, absent
        )
    return {split: _patches(path, members, split) for split, members in names.items()}


def _on_disk(raw_dir: Path, domain: str, area: str) -> list[str]:
    """Returns the ids of the patches of an area that have an aerial image."""
    found = find_files(raw_dir / f"{domain}_AERIAL_RGBI" / area, "*.tif")
    return [name.removesuffix(".tif").replace("_AERIAL_RGBI_", "_") for name in found]


def _patches(path: Path, names: Iterable[str], split: str) -> list[Patch]:
    patches = [Patch(name) for name in names]
    if not patches:
        raise DataPrepError(f"{path}: expected patches in split {split}, found none")
    for patch in patches:
        if len(patch.name.split("_")) != 3 or "-" not in patch.domain:
            raise DataPrepError(f"{path}: expected a patch_id like D012-2019_AF-S1-27_5-10, found {patch.name!r}")
    return patches


def domains(splits: Iterable[Sequence[Patch]]) -> list[Patch]:
    """Returns one patch of every domain."""
    return list({patch.domain: patch for patches in splits for patch in patches}.values())

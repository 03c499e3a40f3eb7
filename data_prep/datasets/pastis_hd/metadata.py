"""`metadata.geojson` of PASTIS, PASTIS-R and PASTIS-HD: folds, acquisition dates and outline of each patch."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.crs import CRS

from data_prep.errors import DataPrepError, TileError, naming_errors
from data_prep.readers import dates
from data_prep.readers.accepted import refuse
from data_prep.readers.inside import inside
from data_prep.readers.json_files import read_json
from data_prep.readers.registration import same_crs
from data_prep.readers.tables import note
from mmae_jax.spec.error import shown

FILE = "metadata.geojson"
NUM_FOLDS = 5
LAMBERT_93 = "EPSG:2154"


@dataclasses.dataclass(frozen=True)
class Patch:
    """What the metadata tell about one patch, as published; checked when the patch is read.

    Attributes:
      name: number of the patch.
      properties: properties of its GeoJSON feature; None where the metadata lack a patch that a split file lists.
      geometry: outline of the patch in Lambert-93.
    """

    name: str
    properties: Mapping[str, Any] | None
    geometry: Any

    def dates(self, table: str, raw_dir: Path) -> np.ndarray:
        """Returns the dates `[T, 3]` int16 of property `table`, e.g. `dates-S2`, in the order of the array's T axis.

        Raises:
          TileError: there is no such patch or table, or a date cannot be read.
        """
        where = f"{raw_dir / FILE}: patch {self.name}: {table}"
        if self.properties is None or self.properties.get(table) is None:
            raise TileError(f"{where}: not found")
        try:
            return dates.from_table(self.properties[table], first=0)
        except ValueError as error:
            raise TileError(f"{where}: {error}") from error

    def transform(self, side: int, raw_dir: Path) -> np.ndarray:
        """Returns the affine a b c d e f, float64 `[6]`, from column and row of `side × side` pixels to Lambert-93.

        The outline is a square of the UTM grid, thus turned by up to 45° in Lambert-93; its first corner is not fixed.

        Raises:
          TileError: the outline is absent or not a polygon.
        """
        try:
            rings = np.array(self.geometry["coordinates"], np.float64).reshape(-1, 2)
            x, y = rings.T
            north_west, north_east, south_west = (
                rings[(y - x).argmax()],
                rings[(x + y).argmax()],
                rings[(x + y).argmin()],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise TileError(f"{raw_dir / FILE}: patch {self.name}: geometry: expected one polygon") from error
        (a, d), (b, e) = (north_east - north_west) / side, (south_west - north_west) / side
        return np.array([a, b, north_west[0], d, e, north_west[1]])


def read_patches(raw_dir: Path) -> dict[str, Patch]:
    """Returns all patches by number.

    Raises:
      DataPrepError: the file is absent or damaged, states another coordinate system, or lists a patch twice.
    """
    path = inside(raw_dir, FILE)
    content = read_json(path)
    try:
        found = [_patch(feature) for feature in content["features"]]
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise DataPrepError(
            f"{path}: expected a GeoJSON file with an ID_PATCH for each patch, but it cannot be read ({error!r})"
        ) from error
    _check_crs(path, content.get("crs"))
    places: dict[str, str] = {}
    for number, patch in enumerate(found, 1):
        note(places, patch.name, f"feature {number}", f"{path}: patch {patch.name}")
    return {patch.name: patch for patch in found}


def _check_crs(path: Path, stated: Any) -> None:
    """Raises a `TileError` if the file states another coordinate system than that of its outlines."""
    if stated is None:
        return
    try:
        name = str(stated["properties"]["name"])
    except (TypeError, KeyError) as error:
        raise DataPrepError(f"{path}: crs: expected a name, found {shown(stated)}") from error
    with naming_errors(f"{path}: crs"):
        same = same_crs(CRS.from_string(LAMBERT_93), CRS.from_string(name))
    if not same:
        refuse("place", f"{path}: crs: expected {LAMBERT_93} as published, found {name[:40]}")


def _patch(feature: Mapping[str, Any]) -> Patch:
    # the number is a property: the feature's own id counts lines in the release of PASTIS without Sentinel-1
    return Patch(str(int(feature["properties"]["ID_PATCH"])), feature["properties"], feature["geometry"])


def official_fold(patches: Iterable[Patch], fold: int, raw_dir: Path) -> dict[str, list[Patch]]:
    """Returns the published cross-validation: fold 1 trains on parts 1, 2, 3, validates on 4, tests on 5, and so on.

    Raises:
      DataPrepError: a patch does not tell its part.
    """
    parts = ["train", "train", "train", "val", "test"]
    split_of = {(fold - 1 + index) % NUM_FOLDS + 1: split for index, split in enumerate(parts)}
    splits: dict[str, list[Patch]] = {split: [] for split in parts}
    for patch in patches:
        part = (patch.properties or {}).get("Fold")
        if part not in split_of:
            raise DataPrepError(
                f"{raw_dir / FILE}: patch {patch.name}: Fold: expected 1 to {NUM_FOLDS}, found {part!r}"
            )
        splits[split_of[part]].append(patch)
    return splits

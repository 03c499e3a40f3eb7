"""Made-up raw data in the published layout of FLAIR-HUB: folders, file names, tables of dates, and irregularities."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio

from data_prep.arguments import positive
from data_prep.datasets.flair_hub.contract import PATCH_METERS
from data_prep.datasets.flair_hub.date_tables import DAY_TABLES, SERIES_TABLES, table_path
from data_prep.datasets.flair_hub.read import FOLDERS, MASK_FOLDER, TARGET_FOLDERS
from data_prep.datasets.flair_hub.splits import Patch
from data_prep.synthetic import countryside, frame
from data_prep.synthetic.geopackage import square, write_table

CRS = "EPSG:2154"

_DOMAINS = ("D012-2019", "D054057-2018", "D033-2021")
_AREAS = ("AF-S1-27", "AA-S1-V18", "UU-S2-3")
_PER_ROW = 6


@dataclasses.dataclass(frozen=True)
class _Area:
    """One area: its patches share dates.

    Attributes:
      number: number of the area.
      name: domain and area, `{domain}_{area}`.
      year: year of all acquisitions but the historical.
      days: modality → days of year of its time series.
    """

    number: int
    name: str
    year: int
    days: dict[str, np.ndarray]

    def patch(self, number: int) -> Patch:
        """Returns the patch `number` of the area."""
        row, column = divmod(number, _PER_ROW)
        return Patch(f"{self.name}_{row + 1}-{column + 1}")

    def corner(self, patch: Patch) -> tuple[float, float]:
        """Returns west and north of a patch, m."""
        row, column = map(int, patch.position.split("-"))
        return 500_000 + 5_000 * self.number + PATCH_METERS * (column - 1), 6_500_000 - PATCH_METERS * (row - 1)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options that only this dataset has."""
    parser.add_argument("--s2_dates", type=positive, default=60, help="Sentinel-2 dates per area, ± 25 %%")
    parser.add_argument("--s1_dates", type=positive, default=60, help="Sentinel-1 dates per area and orbit, ± 25 %%")


def write(out_dir: Path, *, tiles: int, seed: int, s2_dates: int, s1_dates: int) -> None:
    """Writes made-up patches to `out_dir`, which appears when all are there; the bytes depend on the arguments only.

    Some patches have no historical image, no SPOT image or no parcel map; historical dates tell the month only. The
    tables also list patches that are in no split, as the published ones do.

    Args:
      out_dir: folder that does not exist yet; until all is written, the files are in its sibling `<out_dir>.partial`.
      tiles: how many, at least 3, in areas of up to 4; 2/3 of the areas go to split train, 1/6 each to val and test.
      seed: seed of the landscape.
      s2_dates: Sentinel-2 dates per area, ± 25 %.
      s1_dates: Sentinel-1 dates per area and orbit direction, ± 25 %.

    Raises:
      DataPrepError: `out_dir` exists already, there are too few patches for three splits, or pyogrio is not installed.
    """
    with frame.new_folder(out_dir, tiles) as folder:
        areas = [_area(seed, number, s2_dates, s1_dates) for number in range(max(3, math.ceil(tiles / 4)))]
        patches = [areas[number % len(areas)].patch(number // len(areas)) for number in range(tiles)]
        for number, patch in enumerate(frame.progress(patches)):
            _write_patch(folder, areas[number % len(areas)], patch, number, seed)
        _write_tables(folder, areas, patches)
        _write_splits(folder, areas, patches)


def _area(seed: int, number: int, s2_dates: int, s1_dates: int) -> _Area:
    rng = np.random.default_rng([seed, 0, number])
    domain, area = _DOMAINS[number % 3], _AREAS[number % 3]
    name = f"{domain}_{area}" if number < 3 else f"{domain}_{area[:6]}{100 + number}"
    days = {"s2": countryside.acquisition_days(rng, s2_dates, 4)}
    days |= {orbit: countryside.acquisition_days(rng, s1_dates, 4) for orbit in ("s1_asc", "s1_des")}
    return _Area(number, name, int(domain[-4:]), days)


def _write_patch(folder: Path, area: _Area, patch: Patch, number: int, seed: int) -> None:
    rng = np.random.default_rng([seed, 1, number])
    scene = countryside.settle(rng)
    aerial = countryside.photograph(rng, scene)
    s2, mask = countryside.observe_optical(rng, scene, area.days["s2"])
    rasters = {
        FOLDERS["aerial"]: aerial.astype(np.uint8),
        FOLDERS["dem"]: scene.heights,
        FOLDERS["s2"]: s2,
        MASK_FOLDER: mask,
        TARGET_FOLDERS["cosia"]: scene.cover[None],
    }
    if number % 3 != 1:
        rasters[FOLDERS["aerial_rlt"]] = aerial[:1, ::2, ::2].astype(np.uint8)
    if number % 5 != 3:
        blocks = countryside.photograph(rng, scene).reshape(4, 64, 8, 64, 8).mean((2, 4))
        rasters[FOLDERS["spot"]] = (6 * blocks).astype(np.uint16)
    if number % 4 != 2:
        rasters[TARGET_FOLDERS["lpis"]] = np.stack([scene.crops] * 3)
    for orbit in ("s1_asc", "s1_des"):
        radar = countryside.observe_radar(rng, scene, len(area.days[orbit]))
        if number % 4 == 1:
            radar[0, 0, 0, 0] = np.nan
        rasters[FOLDERS[orbit]] = radar
    for name, pixels in rasters.items():
        _write_raster(patch.path(folder, name), pixels, area.corner(patch))


def _write_raster(path: Path, pixels: np.ndarray, corner: tuple[float, float]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    bands = pixels.reshape(-1, *pixels.shape[-2:])  # those of the first date, then those of the second …
    pixel = PATCH_METERS / pixels.shape[-1]
    place = rasterio.Affine(pixel, 0, corner[0], 0, -pixel, corner[1])
    count, height, width = bands.shape
    profile = {"count": count, "height": height, "width": width, "dtype": bands.dtype, "crs": CRS, "transform": place}
    with rasterio.open(path, "w", "GTiff", **profile) as file:
        file.write(bands)


def _write_tables(folder: Path, areas: Sequence[_Area], patches: Sequence[Patch]) -> None:
    (folder / "GLOBAL_ALL_MTD").mkdir()
    listed = [(areas[number % len(areas)], patch) for number, patch in enumerate(patches)]
    listed += [(area, area.patch(_PER_ROW * _PER_ROW - 1)) for area in areas]  # in no split
    names = [patch.name for _, patch in listed]
    squares = [square(*area.corner(patch), PATCH_METERS) for area, patch in listed]
    for name in DAY_TABLES:
        days = {"aerial": "{}0715", "spot": "{}0600", "aerial_rlt": "195{}0500"}[name]
        texts = [days.format(area.year % 10 if name == "aerial_rlt" else area.year) for area, _ in listed]
        write_table(table_path(folder, name), {"patch_id": names, "date": texts}, squares)
    for name in SERIES_TABLES:
        texts = [_numbered(area.year, area.days[name]) for area, _ in listed]
        write_table(table_path(folder, name), {"patch_id": names, "acquisition_dates": texts}, squares)


def _numbered(year: int, days: np.ndarray) -> str:
    first = datetime.date(year, 1, 1)
    dates = [first + datetime.timedelta(days=int(day) - 1) for day in days]
    return json.dumps({str(number): date.strftime("%Y%m%d") for number, date in enumerate(dates, 1)})


def _write_splits(folder: Path, areas: Sequence[_Area], patches: Sequence[Patch]) -> None:
    named = [(number % len(areas), patch.name) for number, patch in enumerate(patches)]
    members = {
        split: [name for area, name in named if area in chosen]
        for split, chosen in frame.split(range(len(areas))).items()
    }
    frame.write_names(folder, "patch_id", members)
    frame.write_names(folder, "patch_id", {f"{split}_flair2": names[::2] for split, names in members.items()})
    official = {"train": "train", "val": "valid", "test": "test"}
    rows = [(name, official[split]) for split, names in members.items() for name in names]
    columns = {"patch_id": [name for name, _ in rows]}
    columns |= {f"split_{number}": [split for _, split in rows] for number in range(1, 6)}
    columns["split_flairchallenge"] = columns["split_1"]
    corners = {patch.name: areas[number % len(areas)].corner(patch) for number, patch in enumerate(patches)}
    squares = [square(*corners[name], PATCH_METERS) for name, _ in rows]
    write_table(folder / "GLOBAL_ALL_MTD" / "GLOBAL_ALL_MTD_SPLIT.gpkg", columns, squares)

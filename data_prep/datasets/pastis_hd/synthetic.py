"""Made-up raw data in the published layout of PASTIS-HD: names, formats, metadata and irregularities of what is read.

Every array has its published size, 35 MB a tile with the published number of dates; fewer dates make smaller tiles.
"""

from __future__ import annotations

import argparse
import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.crs import CRS

from data_prep.arguments import positive
from data_prep.datasets.pastis_hd.metadata import FILE, NUM_FOLDS, Patch
from data_prep.datasets.pastis_hd.read import SERIES, spot_path, target_path
from data_prep.synthetic import frame
from data_prep.synthetic.farmland import NODATA, SIDE, Farmland, observe_optical, observe_radar, photograph, sow

SENTINEL2_TILES = ("t30uxv", "t31tfj", "t31tfm", "t32ulu")

FIRST_DAY = datetime.date(2018, 9, 17)
LAST_DAY = datetime.date(2019, 10, 30)
REVISIT_DAYS = {"s2": 5, "s1_asc": 6, "s1_des": 6}

SIDE_METERS = 1280.97
TURN = np.deg2rad(-4.4)
"""Side and turn of a patch of the UTM grid in Lambert-93, in the west of France."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options that only this dataset has."""
    parser.add_argument("--s2_dates", type=positive, default=45, help="Sentinel-2 dates per tile, ± 25 %%")
    parser.add_argument("--s1_dates", type=positive, default=60, help="Sentinel-1 dates per tile and orbit, ± 25 %%")


def write(out_dir: Path, *, tiles: int, seed: int, s2_dates: int, s1_dates: int) -> None:
    """Writes made-up tiles to `out_dir`, which appears when all are there; the bytes depend on the arguments only.

    The tiles take turns in the five parts of the metadata; in the split files 1/5 each go to val and test.

    Args:
      out_dir: folder that does not exist yet; until all is written, the files are in its sibling `<out_dir>.partial`.
      tiles: number of tiles, at least 5: one for each part.
      seed: seed of the landscape; tile number i is the same whatever `tiles`.
      s2_dates: Sentinel-2 dates per tile, ± 25 %.
      s1_dates: Sentinel-1 dates per tile and orbit direction, ± 25 %.

    Raises:
      DataPrepError: `out_dir` exists already, or there are too few tiles.
    """
    with frame.new_folder(out_dir, tiles, NUM_FOLDS, "fold") as folder:
        means = {"s2": s2_dates, "s1_asc": s1_dates, "s1_des": s1_dates}
        features = [_write_tile(folder, seed, index, means) for index in frame.progress(range(tiles))]
        collection = {
            "type": "FeatureCollection",
            "features": features,
            "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::2154"}},
        }
        (folder / FILE).write_text(json.dumps(collection, indent=4), encoding="utf-8")
        names = [feature["id"] for feature in features]
        frame.write_names(folder, "image", frame.split(names, held_out=tiles // 5))


def _write_tile(folder: Path, seed: int, index: int, means: dict[str, int]) -> dict[str, Any]:
    """Writes the files of a tile and returns its metadata."""
    rng = np.random.default_rng([seed, index])
    region = index % len(SENTINEL2_TILES)
    patch = Patch(str(10_000 * (region + 1) + index // len(SENTINEL2_TILES)), None, None)
    land = sow(rng)
    corner = rng.uniform([300_000, 6_400_000], [900_000, 6_900_000])
    _write_spot(spot_path(folder, patch), photograph(rng, land), corner, extra=index % 4 == 1)
    _save(target_path(folder, patch), np.stack([land.classes, land.parcels, land.parcels]).astype(np.uint8))
    _save(folder / "ANNOTATIONS" / f"ParcelIDs_{patch.name}.npy", land.parcels)
    properties: dict[str, Any] = {
        "Fold": index % NUM_FOLDS + 1,
        "ID_PATCH": int(patch.name),
        "N_Parcel": len(np.unique(land.parcels)) - 1,
        "Parcel_Cover": float((land.parcels > 0).mean()),
        "TILE": SENTINEL2_TILES[region],
    }
    for name in ("s1_asc", "s1_des", "s2"):
        days = _days(rng, means[name], REVISIT_DAYS[name], repeat=name == "s1_asc" and index % 5 == 4)
        _save(SERIES[name].path(folder, patch), _observe(rng, name, land, days, index))
        properties[SERIES[name].table] = {str(i): int(day.strftime("%Y%m%d")) for i, day in enumerate(days)}
    geometry = {"type": "MultiPolygon", "coordinates": [[_outline(corner)]]}
    properties["id"] = patch.name
    return {"id": patch.name, "type": "Feature", "properties": properties, "geometry": geometry}


def _days(rng: np.random.Generator, mean: int, revisit: int, repeat: bool) -> list[datetime.date]:
    """Overpasses every `revisit` days of which some are lost; with `repeat`, the second day has two products."""
    overpasses = np.arange(rng.integers(revisit), (LAST_DAY - FIRST_DAY).days, revisit)
    count = int(rng.integers(round(0.75 * mean), round(1.25 * mean) + 1))
    chosen = np.sort(rng.choice(overpasses, min(max(count, 2), len(overpasses)), replace=False))
    if repeat:
        chosen[0] = chosen[1]
    return [FIRST_DAY + datetime.timedelta(int(day)) for day in chosen]


def _observe(rng: np.random.Generator, name: str, land: Farmland, days: list[datetime.date], index: int) -> np.ndarray:
    days_of_year = np.array([day.timetuple().tm_yday for day in days])
    if name == "s2":
        pixels = observe_optical(rng, land, days_of_year)
        if index % 3 == 1:  # the edge of the swath crosses some patches
            pixels[0, :, np.add.outer(np.arange(SIDE), np.arange(SIDE)) < SIDE // 2] = NODATA
        return pixels
    pixels = observe_radar(rng, land, days_of_year)
    if index % 4 == 2:
        pixels[0, 1:, 3, 5] = -np.inf, np.inf  # no echo in VH
    return pixels


def _outline(corner: np.ndarray) -> list[list[float]]:
    """Corners of a patch from the north-west one, clockwise; the last is the first."""
    right = SIDE_METERS * np.array([np.cos(TURN), np.sin(TURN)])
    down = SIDE_METERS * np.array([np.sin(TURN), -np.cos(TURN)])
    corners = [corner, corner + right, corner + right + down, corner + down, corner]
    return [point.tolist() for point in corners]


def _write_spot(path: Path, pixels: np.ndarray, corner: np.ndarray, extra: bool) -> None:
    """Writes the image, with `extra` one row and column more, of which readers take the first 1280."""
    if extra:
        pixels = np.pad(pixels, ((0, 0), (0, 1), (0, 1)))
    path.parent.mkdir(parents=True, exist_ok=True)
    metre = SIDE_METERS / 1280
    cosine, sine = metre * np.cos(TURN), metre * np.sin(TURN)
    transform = rasterio.Affine(cosine, sine, corner[0], sine, -cosine, corner[1])
    profile = {"width": pixels.shape[2], "height": pixels.shape[1], "count": 3, "dtype": "uint8"}
    with rasterio.open(path, "w", "GTiff", **profile, crs=CRS.from_epsg(2154), transform=transform) as file:
        file.write(pixels)


def _save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)

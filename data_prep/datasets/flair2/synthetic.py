"""Made-up raw data in the layout of the FLAIR#2 release of 2023: areas of patches with one Sentinel-2 series each."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import rasterio

from data_prep.arguments import positive
from data_prep.datasets.flair2.classes import TO_COSIA
from data_prep.datasets.flair2.patches import CENTROIDS, METADATA, Patch
from data_prep.datasets.flair_hub.contract import PATCH_METERS
from data_prep.synthetic import countryside, frame

_AREAS = (("D012_2019", "Z1_NN"), ("D004_2021", "Z17_AA"), ("D015_2020", "Z3_AA"))
"""One of train, validation and test."""
_MARGIN = 20
"""Sentinel-2 pixels around the outermost patches' centres, so that the baseline's 40 × 40 fit."""
_PER_ROW = 3


@dataclasses.dataclass(frozen=True)
class _Area:
    """One area.

    Attributes:
      number: number of the area; every third is a test area.
      name: `D004_2021/Z1_NN`.
      year: year of all acquisitions.
      days: days of year of the Sentinel-2 series.
      data: Sentinel-2 `[T, 10, rows, columns]`, filled patch by patch.
      masks: `[T, 2, rows, columns]`.
    """

    number: int
    name: str
    year: int
    days: np.ndarray
    data: np.ndarray
    masks: np.ndarray

    def patch(self, place: int, number: int) -> Patch:
        """Returns patch `number` of the release, at `place` in the area."""
        row, column = divmod(place, _PER_ROW)
        half = countryside.CELLS // 2
        centroid = (_MARGIN + half + countryside.CELLS * row, _MARGIN + half + countryside.CELLS * column)
        return Patch(self.number % 3 == 2, self.name, f"{number:06d}", centroid, (self.year, 196, 10))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options that only this dataset has."""
    parser.add_argument("--s2_dates", type=positive, default=60, help="Sentinel-2 dates per area, ± 25 %%")


def write(out_dir: Path, *, tiles: int, seed: int, s2_dates: int) -> None:
    """Writes made-up patches to `out_dir`, which appears when all are there; the bytes depend on the arguments only.

    Args:
      out_dir: folder that does not exist yet; until all is written, the files are in its sibling `<out_dir>.partial`.
      tiles: number of tiles, at least 3; a third each in train, validation and test areas.
      seed: seed of the landscape.
      s2_dates: Sentinel-2 dates per area, ± 25 %.

    Raises:
      DataPrepError: `out_dir` exists already, or there are too few patches for three splits.
    """
    with frame.new_folder(out_dir, tiles) as folder:
        areas = [_area(seed, number, math.ceil(tiles / 3), s2_dates) for number in range(3)]
        centroids: dict[str, list[int]] = {}
        metadata: dict[str, dict[str, Any]] = {}
        for number in frame.progress(range(tiles)):
            area = areas[number % 3]
            patch = area.patch(number // 3, number + 1)
            _write_patch(folder, area, patch, np.random.default_rng([seed, 1, number]))
            centroids[f"IMG_{patch.number}.tif"] = list(patch.centroid)
            metadata[f"IMG_{patch.number}"] = _metadata(area, number)
        for area in areas:
            _write_series(folder, area)
        (folder / CENTROIDS[0]).write_text(json.dumps(centroids))
        (folder / METADATA).write_text(json.dumps(metadata))


def _area(seed: int, number: int, patches: int, s2_dates: int) -> _Area:
    rng = np.random.default_rng([seed, 0, number])
    days = countryside.acquisition_days(rng, s2_dates, 4)
    rows, columns = math.ceil(patches / _PER_ROW), min(patches, _PER_ROW)
    side = (2 * _MARGIN + countryside.CELLS * rows, 2 * _MARGIN + countryside.CELLS * columns)
    data = rng.integers(300, 3000, (len(days), 10, *side), np.uint16)
    domain, area = _AREAS[number]
    return _Area(number, f"{domain}/{area}", int(domain[-4:]), days, data, np.zeros((len(days), 2, *side), np.uint8))


def _metadata(area: _Area, number: int) -> dict[str, Any]:
    west, north = _corner(area, number)
    centre = {"patch_centroid_x": west + PATCH_METERS / 2, "patch_centroid_y": north - PATCH_METERS / 2}
    taken = {"date": f"{area.year}-07-15", "time": f"{8 + number % 8}h{20 + number % 30}"}
    return {**centre, "patch_centroid_z": 100.0, **taken, "camera": "UCE-M3-f120-s06"}


def _corner(area: _Area, number: int) -> tuple[float, float]:
    row, column = divmod(number // 3, _PER_ROW)
    return 600_000 + 5_000 * area.number + PATCH_METERS * column, 6_400_000 - PATCH_METERS * row


def _write_patch(folder: Path, area: _Area, patch: Patch, rng: np.random.Generator) -> None:
    scene = countryside.settle(rng)
    corner = _corner(area, int(patch.number) - 1)
    height = (5 * (scene.heights[:1] - scene.heights[1:])).clip(0, 255)
    image = np.concatenate([countryside.photograph(rng, scene), height]).astype(np.uint8)
    _write_raster(patch.path(folder, 0, "img", f"IMG_{patch.number}.tif"), image, corner)
    labels = (np.argsort(TO_COSIA) + 1).astype(np.uint8)[scene.cover]
    _write_raster(patch.path(folder, 1, "msk", f"MSK_{patch.number}.tif"), labels[None], corner)
    data, mask = countryside.observe_optical(rng, scene, area.days)
    first = [middle - countryside.CELLS // 2 for middle in patch.centroid]
    rows, columns = (slice(start, start + countryside.CELLS) for start in first)
    area.data[..., rows, columns], area.masks[..., rows, columns] = data, mask


def _write_raster(path: Path, pixels: np.ndarray, corner: tuple[float, float]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    place = rasterio.Affine(0.2, 0, corner[0], 0, -0.2, corner[1])
    count, height, width = pixels.shape
    profile = {"count": count, "height": height, "width": width, "dtype": "uint8", "crs": "EPSG:2154"}
    with rasterio.open(path, "w", "GTiff", transform=place, **profile) as file:
        file.write(pixels)


def _write_series(folder: Path, area: _Area) -> None:
    patch = area.patch(0, 0)
    path = patch.sentinel(folder, "data.npy")
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, area.data)
    np.save(patch.sentinel(folder, "masks.npy"), area.masks)
    first = datetime.date(area.year, 1, 1)
    stamps = [(first + datetime.timedelta(days=int(day) - 1)).strftime("%Y%m%d") for day in area.days]
    names = [f"S2A_MSIL2A_{stamp}T104421_N0214_R008_T31TGL_{stamp}T120000" for stamp in stamps]
    patch.sentinel(folder, "products.txt").write_text("\n".join(names) + "\n")

"""Readers of published datasets share the checks of rasters: each names one that lies elsewhere or says otherwise."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio import Affine

from data_prep.__main__ import main
from data_prep.datasets import registry
from data_prep.errors import TileError
from data_prep.readers.accepted import accepting

TILES = {
    "flair2": ("5", "--s2_dates=3"),
    "flair_hub": ("5",),
    "pastis_hd": ("5", "--s2_dates=2", "--s1_dates=2"),
    "pureforest": ("3",),
    "s2_naip_urban": ("3",),
    "treesatai_ts": ("3", "--s2_dates=2", "--s1_dates=2"),
}
RASTERS = {
    "flair2": ("*/*/*/img/*.tif", "*/*/*/msk/*.tif"),
    "flair_hub": ("*_AERIAL_RGBI/*/*.tif", "*_SENTINEL2_TS/*/*.tif", "*_SENTINEL2_MSK-SC/*/*.tif", "*_LABEL-*/*/*.tif"),
    "pastis_hd": ("DATA_SPOT/*/*.tif",),
    "pureforest": ("imagery/*/*.tiff",),
    "s2_naip_urban": ("sentinel2/*_8.tif", "sentinel1/*.tif"),
    "treesatai_ts": ("aerial/*.tif",),
}


def feet(file):
    file.crs = "EPSG:2263"


def another_zone(file):
    file.crs = "EPSG:32601"


def half_a_pixel(file):
    a, b, c, d, e, f = file.transform[:6]
    file.transform = Affine(a, b, c + a / 2, d, e, f + d / 2)


def south_up(file):
    a, b, c, d, e, f = file.transform[:6]
    file.transform = Affine(a, -b, c, d, -e, f)


def other_scale(file):
    file.scales = (0.5,) * file.count


def other_nodata(file):
    file.nodata = 7


def inner_mask(file):
    file.write_mask(np.eye(file.height, dtype=bool))


PLACES, STATEMENTS = (feet, another_zone, half_a_pixel, south_up), (other_scale, other_nodata, inner_mask)
ALONE = ("pureforest", "treesatai_ts")
"""A tile has one raster, which is its frame."""
CASES = [
    (dataset, pattern, change)
    for dataset, patterns in RASTERS.items()
    for pattern in patterns
    for change in (*PLACES, *STATEMENTS)
    if not (dataset in ALONE and change in (half_a_pixel, another_zone))
    if not (("LABEL" in pattern or "MSK" in pattern or "msk" in pattern) and change in (other_scale, other_nodata))
]


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    folders: dict[str, Path] = {}

    def folder(dataset: str) -> Path:
        if dataset not in folders:
            tiles, *more = TILES[dataset]
            folders[dataset] = tmp_path_factory.mktemp(dataset) / "raw"
            assert main(["synthetic", dataset, f"--out_dir={folders[dataset]}", f"--tiles={tiles}", *more]) == 0
        return folders[dataset]

    return folder


@pytest.mark.parametrize(("dataset", "pattern", "change"), CASES)
def test_a_raster_that_lies_elsewhere_or_says_otherwise_is_named(made_up, tmp_path, dataset, pattern, change):
    raw = made_up(dataset)
    source = registry.open_source("--dataset", dataset, raw, "--fold=1" if dataset == "pastis_hd" else "")
    path = next(iter(sorted(raw.glob(pattern))))
    kept = shutil.copy(path, tmp_path / path.name)
    parts = set(re.split("[_/.]", str(path)))
    tiles = [tile for members in source.list_tiles(raw).values() for tile in members]
    tile = next(tile for tile in tiles if set(tile.name.split("_")) - {"IMG"} <= parts)
    source.read_tile(raw, tile)
    try:
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
            change(file)
        with pytest.raises(TileError, match=r"--accept=(place|values|masks)\)$") as error:
            source.read_tile(raw, tile)
        assert path.name in str(error.value)
        with accepting({"place", "values", "masks"}):
            source.read_tile(raw, tile)
    finally:
        shutil.copy(kept, path)

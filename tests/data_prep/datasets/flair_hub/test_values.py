"""Classes, percents and heights are what the contract says, or the file that holds others is named."""

import argparse

import numpy as np
import pytest
import rasterio

from data_prep.datasets.flair_hub import read
from data_prep.errors import TileError
from tests.data_prep.datasets.flair_hub.layout import file_of, patches, rewrite


def filled(value):
    return lambda path: rewrite(path, lambda pixels: np.full_like(pixels, value))


def stating(**statements):
    def change(path):
        with rasterio.open(path, "r+") as file:
            file.nodata = statements.get("nodata")
            file.scales = [statements.get("scale", 1.0)] * file.count
            file.units = [statements.get("unit", "")] * file.count

    return change


WRONG = {
    "a class": (
        "AERIAL_LABEL-COSIA",
        filled(99),
        "expected classes 0 to 14 or 15, 16, 17, 18 (missing or ignored), found 99",
    ),
    "a parcel": ("ALL_LABEL-LPIS", filled(250), "expected classes 0 to 22 or 255 (missing or ignored), found 250"),
    "scaled classes": ("AERIAL_LABEL-COSIA", stating(scale=0.5), "scale: expected 1 as the contract says, found 0.5"),
    "a flag": ("SENTINEL2_MSK-SC", filled(255), "expected percents, 0 to 100, found 255"),
    "a share": ("SENTINEL2_MSK-SC", stating(scale=0.01), "scale: expected 1 as the contract says, found 0.01"),
    "feet": (
        "DEM_ELEV",
        stating(nodata=-9999, unit="ft"),
        "unit: expected m above sea level as the contract says, found ft",
    ),
    "steps": ("DEM_ELEV", stating(nodata=-9999, scale=0.1), "scale: expected 1 as the contract says, found 0.1"),
}


@pytest.mark.parametrize(("folder", "change", "message"), WRONG.values(), ids=WRONG)
def test_what_a_value_cannot_be_is_named_with_its_file(raw, folder, change, message):
    name = patches(raw)[0]
    path = file_of(raw, name, folder)
    change(path)
    options = argparse.Namespace(
        csv_dir=None, filter_percent=None, official_split=None, version=None, flair2_areas=None
    )
    [patch] = [each for each in read.source(options).list_tiles(raw)["train"] if each.name == name]
    with pytest.raises(TileError) as raised:
        read.read_tile(raw, patch)
    assert str(raised.value).startswith(f"{path}: {message}")

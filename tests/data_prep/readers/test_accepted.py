"""Each check has a page, a way out and a name; nodata never enters what is stored in steps."""

import argparse

import numpy as np
import pytest
import rasterio

from data_prep.arguments import checks
from data_prep.datasets.flair_hub.contract import CONTRACT
from data_prep.datasets.flair_hub.rasters import read_image
from data_prep.readers.accepted import CHECKS
from data_prep.readers.values import quantised
from tests.places import ROOT


def test_the_page_of_checks_names_each():
    page = (ROOT / "docs" / "checks.md").read_text()
    for name in CHECKS:
        assert f"`--accept={name}`" in page


def test_checks_are_named_on_the_command_line():
    assert checks("place, bands") == {"place", "bands"}
    with pytest.raises(argparse.ArgumentTypeError, match=r"expected links, place, .*, found 'palce'"):
        checks("place,palce")


def test_nodata_of_elevations_is_no_height(tmp_path):
    heights = np.full((2, 512, 512), 300, np.float32)
    heights[0, 0, 0] = -9999
    place = {"crs": "EPSG:2154", "transform": rasterio.Affine(0.2, 0, 500, 0, -0.2, 900)}
    profile = {"count": 2, "height": 512, "width": 512, "dtype": "float32", "nodata": -9999.0} | place
    with rasterio.open(tmp_path / "dem.tif", "w", "GTiff", **profile) as file:
        file.write(heights)
    image = read_image(tmp_path / "dem.tif", CONTRACT.modalities["dem"], "float32")
    assert image is not None
    assert np.isnan(image.pixels).sum() == 1
    with pytest.raises(ValueError, match="expected finite heights, found 1 values that are not"):
        quantised(image.pixels, 0.01)

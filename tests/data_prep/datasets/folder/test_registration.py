"""A user's rasters that lie elsewhere: the date is dropped and named, or the tile is refused."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import rasterio
from immutabledict import immutabledict

from data_prep.datasets.folder.description import Files, Folder, Fractions, Raster
from data_prep.datasets.folder.read import read_tile
from data_prep.datasets.folder.tiles import list_tiles
from data_prep.errors import TileError
from data_prep.readers.accepted import accepting
from mmae_jax.spec import Modality, Target

S2 = Modality(("B02",), "uint16", "reflectance", 10.0, size=8, mask_channels=("cloud",))
COVER = Target("segment", ("x", "y"), "cover", missing_value=255, size=16)
FOLDER = Folder(
    "d",
    80.0,
    {"s2": Files("s2/{tile}_{date}.tif", S2, masks="clouds/{tile}_{date}.tif")},
    Fractions({"train": 1.0}),
    {"cover": Raster("cover/{tile}.tif", COVER)},
)
DATES = ("20200105", "20200301", "20200620")


def write(path, size, dtype, corner=(500.0, 900.0), crs="EPSG:32632"):
    path.parent.mkdir(exist_ok=True)
    transform = rasterio.Affine(80 / size, 0, corner[0], 0, -80 / size, corner[1])
    profile = {"count": 1, "height": size, "width": size, "dtype": dtype, "crs": crs, "transform": transform}
    with rasterio.open(path, "w", "GTiff", **profile) as file:
        file.write(np.ones((1, size, size), dtype))


@pytest.fixture
def raw(tmp_path) -> Path:
    for date in DATES:
        write(tmp_path / f"s2/a_{date}.tif", 8, "uint16")
        write(tmp_path / f"clouds/a_{date}.tif", 8, "uint8")
    write(tmp_path / "cover/a.tif", 16, "uint8")
    return tmp_path


def read(raw, folder=FOLDER):
    (tile,) = list_tiles(folder, raw)["train"]
    return read_tile(folder, raw, tile)


@pytest.mark.parametrize("path", ["s2/a_20200105.tif", "clouds/a_20200301.tif"], ids=["the first date", "a mask"])
@pytest.mark.parametrize(
    "elsewhere", [{"corner": (505.0, 900.0)}, {"crs": "EPSG:32633"}, {"crs": None}], ids=["shifted", "zone", "none"]
)
def test_a_date_that_lies_elsewhere_is_dropped_and_named(raw, caplog, path, elsewhere):
    write(raw / path, 8, "uint16" if path.startswith("s2") else "uint8", **elsewhere)
    record, dropped = read(raw)
    assert dropped == 1
    assert len(record["s2"]["dates"]) == 2
    assert f"skipped a date of a: {raw / path}: " in caplog.text
    np.testing.assert_array_equal(record["transform"], [10, 0, 500, 0, -10, 900])


@pytest.mark.parametrize("elsewhere", [{"corner": (505.0, 900.0)}, {"crs": "EPSG:4326"}, {"crs": None}])
def test_a_label_that_lies_elsewhere_refuses_its_tile(raw, elsewhere):
    write(raw / "cover/a.tif", 16, "uint8", **elsewhere)
    with pytest.raises(TileError, match=r"cover/a.tif: .*as in .*s2/a_20200105.tif.*--accept=place"):
        read(raw)
    with accepting({"place"}):
        assert read(raw)[1] == 0
    said = {"cover": dataclasses.replace(FOLDER.targets["cover"], georeferenced=False)}
    assert read(raw, dataclasses.replace(FOLDER, targets=immutabledict(said)))[1] == 0


def test_files_without_a_coordinate_system_are_used_where_the_description_says_so(raw):
    for path in raw.glob("s2/*"):
        write(path, 8, "uint16", crs=None)
    with pytest.raises(TileError, match="coordinate system: expected a projected one, in metres, found none"):
        read(raw)
    said = {"s2": dataclasses.replace(FOLDER.modalities["s2"], georeferenced=False)}
    record, dropped = read(raw, dataclasses.replace(FOLDER, modalities=immutabledict(said)))
    assert (record["crs"], dropped) == ("", 0)

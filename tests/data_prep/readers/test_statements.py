"""What a raster says of itself contradicts the contract, agrees with it, or is silent."""

import dataclasses

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from data_prep.errors import TileError
from data_prep.readers.accepted import accepting
from data_prep.readers.raw import open_raster
from data_prep.readers.statements import read_pixels
from mmae_jax.spec import Modality

S2 = Modality(("B02", "B03", "B04"), "uint16", "surface reflectance", 10.0, size=4, scale=1e-4, offset=-0.1, nodata=0.0)
RGB = Modality(("R", "G", "B"), "uint8", "digital number", 10.0, size=4)
NRGB = Modality(("NIR", "R", "G", "B"), "uint8", "digital number", 10.0, size=4)
RGBN = Modality(("R", "G", "B", "NIR"), "uint8", "digital number", 10.0, size=4)
HEIGHT = Modality(("z",), "float32", "m above sea level", 10.0, size=4)
RADAR = Modality(("VV", "VH"), "float32", "sigma0", 10.0, size=4, decibel=True)
RED, GREEN, BLUE, ALPHA, NIR = (ColorInterp[name] for name in ("red", "green", "blue", "alpha", "nir"))


def write(path, sensor, dates=1, dtype=None, nodata=None, mask=None, values=1, **said):
    count = len(sensor.bands) * dates
    pixels = np.full((count, 4, 4), values, dtype or sensor.dtype)
    place = {"crs": "EPSG:32632", "transform": rasterio.Affine(10, 0, 500, 0, -10, 900)}
    profile = {"count": count, "height": 4, "width": 4, "dtype": pixels.dtype, "photometric": "MINISBLACK"} | place
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", "GTiff", nodata=nodata, **profile) as file,
    ):
        file.write(pixels)
        for name, value in said.items():
            setattr(file, name, value)
        if mask is not None:
            file.write_mask(mask)
    return path


def check(path, sensor, **more):
    with open_raster(path) as file:
        read_pixels(path, file, sensor, **more)


CONTRADICTIONS = {
    "scale": (S2, {"scales": (1e-3,) * 3}, r"scale: expected 0.0001 as the contract says, found 0.001.*=values\)"),
    "scale of one band": (S2, {"scales": (1e-4, 1, 2e-4), "offsets": (-0.1, 0, -0.1)}, "scale: expected 0.0001"),
    "offset": (S2, {"scales": (1e-4,) * 3}, "offset: expected -0.1 as the contract says, found 0"),
    "no scale in the contract": (HEIGHT, {"scales": (0.01,)}, "scale: expected 1 as the contract says, found 0.01"),
    "unit": (HEIGHT, {"units": ("ft",)}, "unit: expected m above sea level as the contract says, found ft"),
    "unit that nobody knows": (HEIGHT, {"units": ("furlong",)}, "unit: .* found furlong"),
    "decibels": (dataclasses.replace(RADAR, decibel=False, unit="linear power"), {"units": ("dB", "dB")}, "unit: "),
    "nodata": (HEIGHT, {"nodata": -9999}, r"nodata: expected none as the contract says, found -9999"),
    "another nodata": (S2, {"nodata": 65535}, "nodata: expected 0 as the contract says, found 65535"),
    "names": (
        S2,
        {"descriptions": ("B4", "B3", "B2")},
        r"band names: expected B02, B03, B04, found B4, B3, B2 .*=bands\)",
    ),
    "names of a later date": (
        RADAR,
        {"dates": 2, "descriptions": ("VV", "VH", "VH", "VV")},
        "band names: expected VV, VH, found VH, VV at date 2",
    ),
    "colours": (RGB, {"colorinterp": (BLUE, GREEN, RED)}, "colour of band 1: expected that of R, found blue"),
    "infrared": (RGBN, {"colorinterp": (NIR, RED, GREEN, BLUE)}, "colour of band 1: expected that of R, found nir"),
    "opacity": (
        RGBN,
        {"colorinterp": (RED, GREEN, BLUE, ALPHA), "values": 255},
        "band 4: expected NIR, found opacity: 0 and 255 alone",
    ),
    "a mask": (HEIGHT, {"mask": np.eye(4, dtype=bool)}, r"mask: expected missing pixels as nodata or NaN.*=masks\)"),
}


@pytest.mark.parametrize(("sensor", "said", "message"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_contradiction_stops_with_both_values(tmp_path, sensor, said, message):
    path = write(tmp_path / "a.tif", sensor, **said)
    with pytest.raises(TileError, match=f"a.tif: {message}"):
        check(path, sensor)
    with accepting({"bands", "values", "masks"}):
        check(path, sensor)


AGREEMENTS = {
    "silence": (S2, {}),
    "scale and offset": (S2, {"scales": (1e-4,) * 3, "offsets": (-0.1,) * 3, "nodata": 0}),
    "unit": (HEIGHT, {"units": ("metre",)}),
    "decibels": (RADAR, {"units": ("dB", "dB")}),
    "NaN": (HEIGHT, {"nodata": np.nan}),
    "names": (RADAR, {"dates": 2, "descriptions": ("VV", "VH", "Sigma0_VV", "Sigma0_VH")}),
    "colours": (RGBN, {"colorinterp": (RED, GREEN, BLUE, NIR)}),
    "what GDAL calls four bands": (NRGB, {"colorinterp": (RED, GREEN, BLUE, ALPHA)}),
    "colours to show infrared in": (
        dataclasses.replace(RGBN, bands=("NIR", "R", "G", "x")),
        {"colorinterp": (RED, GREEN, BLUE, ColorInterp.undefined)},
    ),
    "layers that are counted": (RADAR, {"dates": 2, "descriptions": ("B1", "B2", "B3", "B4")}),
    "the unit that GDAL takes from heights": (S2, {"crs": "EPSG:25832+7837"}),
    "a mask without gaps": (HEIGHT, {"mask": np.ones((4, 4), bool)}),
    "a mask of what is nodata": (dataclasses.replace(HEIGHT, nodata=1.0), {"mask": np.eye(4, dtype=bool)}),
}


@pytest.mark.parametrize(("sensor", "said"), AGREEMENTS.values(), ids=AGREEMENTS)
def test_what_agrees_or_is_silent_is_used(tmp_path, sensor, said):
    check(write(tmp_path / "a.tif", sensor, **said), sensor)


def test_a_mask_beside_an_image(tmp_path):
    path = write(tmp_path / "a.tif", HEIGHT)
    write(tmp_path / "a.tif.msk", HEIGHT, dtype="uint8")
    check(path, HEIGHT)
    with rasterio.open(tmp_path / "a.tif.msk", "r+", driver="GTiff") as file:
        file.write(np.eye(4, dtype=np.uint8)[None])
    with pytest.raises(TileError, match=r"a\.tif: mask: "):
        check(path, HEIGHT)


def test_offsets_of_dates(tmp_path):
    two = write(tmp_path / "b.tif", S2, dates=2, scales=(1e-4,) * 6, offsets=(0,) * 3 + (-0.1,) * 3)
    check(two, S2, offsets=[0.0, -0.1])
    with pytest.raises(TileError, match=r"offset: expected -0\.1 as the contract says, found 0"):
        check(two, S2)

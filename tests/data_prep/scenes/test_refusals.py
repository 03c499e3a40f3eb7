"""What contradicts the contract, the description or the scene is refused when it is opened, in one line."""

import dataclasses

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint

from data_prep.errors import DataPrepError
from data_prep.scenes import open_scene
from tests.data_prep.scenes.scenery import LEFT, S1, S2, describe, experiment, values, write

DATED = "sensors={'s2': Images('s2/{date}.tif')}"


def pixels(bands=2, dtype="uint16"):
    return values(bands, 4, 4, dtype=dtype)


def refused(folder, text=DATED, tried=None, accept=frozenset()):
    with pytest.raises(DataPrepError) as caught:
        open_scene(describe(folder, text), tried or experiment(s2=S2), accept)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message.replace(str(folder), "…")) <= 200, message
    return message


def opens(folder, text=DATED, tried=None, accept=frozenset()):
    return open_scene(describe(folder, text), tried or experiment(s2=S2), accept)


def test_bands_are_chosen_by_name(tmp_path):
    stack = pixels(3)
    write(tmp_path / "s2/20180301.tif", stack, 10.0, names=("B8", "B3", "Blue"))
    np.testing.assert_array_equal(opens(tmp_path).read((0, 0), 4)["s2"]["pixels"][0], stack[[2, 0]])


def test_a_band_that_no_name_tells(tmp_path):
    write(tmp_path / "s2/20180301.tif", pixels(), 10.0, names=("B02", "B11"))
    assert "20180301.tif: band names: expected B08, found B02, B11" in refused(tmp_path)
    opens(tmp_path, accept={"bands"})


def test_an_order_that_colours_contradict(tmp_path):
    rgb = dataclasses.replace(S2, bands=("R", "G", "B"), dtype="uint8")
    path = write(tmp_path / "s2/20180301.tif", pixels(3, "uint8"), 10.0, photometric="rgb")
    opens(tmp_path, tried=experiment(s2=rgb))
    wrong = dataclasses.replace(rgb, bands=("B", "G", "R"))
    message = refused(tmp_path, tried=experiment(s2=wrong))
    assert f"{path}: colour of band 1: expected that of B, found red" in message
    text = "sensors={'s2': Images('s2/{date}.tif', bands=('R', 'G', 'B'))}"
    found = opens(tmp_path, text, experiment(s2=wrong)).read((0, 0), 4)["s2"]["pixels"][0]
    np.testing.assert_array_equal(found, pixels(3, "uint8")[::-1])


def test_a_number_of_bands(tmp_path):
    write(tmp_path / "s2/20180301.tif", pixels(3), 10.0)
    assert "expected 2 bands (B02, B08), found 3" in refused(tmp_path)
    text = "sensors={'s2': Images('s2/{date}.tif', bands=('B08', 'B03', 'B02'))}"
    found = opens(tmp_path, text).read((0, 0), 4)["s2"]["pixels"][0]
    np.testing.assert_array_equal(found, pixels(3)[[2, 0]])


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"offsets": (-0.1, -0.1), "scales": (1e-4, 1e-4)}, "offset: expected 0 as the contract says, found -0.1"),
        ({"scales": (1e-3, 1e-3)}, "scale: expected 0.0001 as the contract says, found 0.001"),
        ({"units": ("m", "m")}, "unit: expected surface reflectance as the contract says, found m"),
    ],
)
def test_values_that_files_state_otherwise(tmp_path, said, message):
    write(tmp_path / "s2/20220301.tif", pixels(), 10.0, **said)
    assert message in refused(tmp_path)
    opens(tmp_path, accept={"values"})


def test_offsets_of_the_description_are_taken_off(tmp_path):
    plain = values(2, 4, 4, dtype="uint16", low=1500, high=9000)
    write(tmp_path / "s2/20220101.tif", plain, 10.0)
    write(tmp_path / "s2/20220301.tif", plain, 10.0, offsets=(-0.1, -0.1), scales=(1e-4, 1e-4))
    text = "sensors={'s2': Images('s2/{date}.tif', offsets={'2022-01-25': -0.1})}"
    found = opens(tmp_path, text).read((0, 0), 4)["s2"]["pixels"].astype(int)
    np.testing.assert_array_equal(found, [plain, plain.astype(int) - 1000])
    text = "sensors={'s2': Images('s2/{date}.tif', offsets={'2022-01-25': -1000})}"
    assert "sensors.s2.offsets: 2022-01-25: expected an offset in surface reflectance" in refused(tmp_path, text)


def test_units_that_can_be_converted(tmp_path):
    decibels = np.random.default_rng(0).uniform(-20, -5, (2, 4, 4)).astype(np.float32)
    write(tmp_path / "s1/20180301.tif", decibels, 10.0, units=("dB", "dB"))
    text = "sensors={'s1': Images('s1/{date}.tif'%s)}"
    tried = experiment(s1=S1)
    assert "unit: expected sigma0, linear power as the contract says, found dB" in refused(tmp_path, text % "", tried)
    found = opens(tmp_path, text % ", unit='sigma0, dB'", tried).read((0, 0), 4)["s1"]["pixels"][0]
    np.testing.assert_allclose(found, 10 ** (decibels / 10), rtol=1e-5)
    message = refused(tmp_path, text % ", unit='kelvin'", tried)
    assert "sensors.s1.unit: expected sigma0, linear power or what can be converted to it, found kelvin" in message


def test_data_types(tmp_path):
    write(tmp_path / "s2/20180301.tif", (pixels() / 1000).astype(np.float32), 10.0)
    assert "dtype: expected uint16, found float32; if it is right, say dtype='float32'" in refused(tmp_path)
    text = "sensors={'s2': Images('s2/{date}.tif', dtype='float32'%s)}"
    assert "sensors.s2.scale: expected a number, as dtype or unit" in refused(tmp_path, text % "")
    found = opens(tmp_path, text % ", scale=1").read((0, 0), 4)["s2"]["pixels"][0]
    np.testing.assert_array_equal(found, pixels() * 10)


def test_no_place(tmp_path):
    path = write(tmp_path / "s2/20180301.tif", pixels(), 10.0, crs=None)
    expected = f"{path}: coordinate system: expected one, and an affine from pixels to it, found"
    assert f"{expected} none" in refused(tmp_path)
    with rasterio.open(path, "r+") as file:
        points = [GroundControlPoint(row, column, column, -row) for row in (0, 4) for column in (0, 4)]
        file.gcps = (points, rasterio.crs.CRS.from_epsg(32632))
    write_again = str(tmp_path)  # files opened before are not opened twice by a process
    assert write_again
    other = tmp_path / "gcps"
    (other / "s2").mkdir(parents=True)
    path.rename(other / "s2/20180301.tif")
    assert "found control points only" in refused(other)


def test_degrees_are_no_grid(tmp_path):
    write(tmp_path / "s2/20180301.tif", pixels(), 1e-4, left=9.0, top=51.0, crs="EPSG:4326")
    message = refused(tmp_path)
    assert "20180301.tif: coordinate system: expected a projected one in metres, found EPSG:4326; name one" in message
    scene = opens(tmp_path, f"{DATED}, crs='EPSG:32632'")
    assert scene.read((0, 0), 4)["s2"]["pixels"].shape[0] == 1


def test_images_elsewhere(tmp_path, caplog):
    write(tmp_path / "s2/20180301.tif", pixels(), 10.0)
    write(tmp_path / "s1/20180301.tif", pixels(dtype="float32"), 10.0, left=LEFT + 40)
    text = "sensors={'s2': Images('s2/{date}.tif'), 's1': Images('s1/{date}.tif')}"
    tried = experiment(s2=S2, s1=S1)
    message = refused(tmp_path, text, tried)
    assert "sensors.s1: expected images that touch the scene (500000, 5699960, 500040, 5700000), found" in message
    write(tmp_path / "s1/20180302.tif", pixels(dtype="float32"), 10.0)
    assert len(opens(tmp_path, text, tried).read((0, 0), 4)["s1"]["pixels"]) == 1
    assert "s1: skipped 1 dates whose images are outside the scene" in caplog.text


def test_ranges_of_dates(tmp_path, caplog):
    for date in ("20180301", "20180501"):
        write(tmp_path / f"s2/{date}.tif", pixels(), 10.0)
    assert "start, end: expected images from 2019-01-01 to None, found those of 2018-03-01 to 2018-05-01" in refused(
        tmp_path, f"{DATED}, start='2019-01-01'"
    )
    assert "end: expected a day after start" in refused(tmp_path, f"{DATED}, start='2018-05-02', end='2018-05-01'")
    assert "end: expected a date like 2018-07-01, found '2018-05-32'" in refused(tmp_path, f"{DATED}, end='2018-05-32'")
    scene = opens(tmp_path, f"{DATED}, start='2018-05-01', end='2018-05-01', ref_date='2018-01-01'")
    record = scene.read((0, 0), 2)
    assert record["s2"]["dates"].tolist() == [[2018, 121, 0]]
    assert record["ref_date"].tolist() == [2018, 1, 0]


def test_sensors(tmp_path, caplog):
    write(tmp_path / "s2/20180301.tif", pixels(), 10.0)
    tried = experiment(s2=S2, s1_asc=S1)
    text = "sensors={'s2': Images('s2/{date}.tif'), 's1_acs': Images('s1/{date}.tif')}"
    assert "sensors: no sensor 's1_acs'; expected some of s2, s1_asc; did you mean s1_asc?" in refused(
        tmp_path, text, tried
    )
    record = opens(tmp_path, tried=tried).read((0, 0), 2)
    assert record["s1_asc"]["pixels"].shape == (0, 2, 2, 2)
    assert caplog.text.count("the scene has no s1_asc") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sensors={}", "sensors: expected at least one, found none"),
        (
            "sensors={'s2': Images('s2/{tile}.tif', date='2018-03-01')}",
            "expected no other fields than {date} and {band}",
        ),
        ("sensors={'s2': Images('../{date}.tif')}", "expected a path below the description's folder"),
        ("sensors={'s2': Images('s2/x.tif')}", "expected one of {date} in the pattern, date_regex, dates and date"),
        ("sensors={'s2': Images('ftp://x/{date}.tif')}", "expected a path, s3://…, gs://… or https://…"),
        ("sensors={'s2': Images('https://x/{date}.tif')}", "expected the names of files, as https lists none"),
        ("sensors={'s2': Images()}", "expected a pattern of files or items of STAC, found none"),
        ("sensors={'s2': Images('no/{date}.tif')}", "sensors.s2.pattern: expected files 'no/{date}.tif' in"),
        ("sensors={'s2': Images('s2/{date}.tif', scale='x')}", "sensors.s2.scale: expected float, found 'x'"),
        ("sensors={'s2': Images('s2/{date}.tif', resampling='x')}", "resampling: expected one of nearest, bilinear"),
        (f"{DATED}, reference='s1'", "reference: no sensor 's1'; expected some of s2"),
        (f"{DATED}, region=(1, 2, 1, 2)", "region: expected west, south, east, north"),
        (f"{DATED}, region=(0, 0, 9, 9)", "region: expected a part of"),
        (f"{DATED}, crs='x'", "crs: expected a coordinate system such as EPSG:25832, found 'x'"),
    ],
)
def test_descriptions(tmp_path, text, message):
    write(tmp_path / "s2/20180301.tif", pixels(), 10.0)
    assert message in refused(tmp_path, text)


def test_links_and_virtual_rasters(tmp_path):
    outside = write(tmp_path / "out/20180301.tif", pixels(), 10.0)
    folder = tmp_path / "in"
    (folder / "s2").mkdir(parents=True)
    (folder / "s2/20180301.tif").symlink_to(outside)
    assert "found a link to" in refused(folder)
    opens(folder, accept={"links"})
    (folder / "s2/20180301.tif").rename(folder / "s2/20180301.vrt")
    assert "expected an image, found a virtual raster" in refused(
        folder, "sensors={'s2': Images('s2/{date}.*')}", accept={"links"}
    )


def test_masks_are_masks(tmp_path, caplog):
    masked = dataclasses.replace(S2, mask_channels=("cloud",))
    write(tmp_path / "s2/20180301.tif", pixels(), 10.0)
    write(tmp_path / "s2/20180401.tif", pixels(), 10.0)
    tried = experiment(s2=masked)
    assert (opens(tmp_path, tried=tried).read((0, 0), 2)["s2"]["mask"] == 0).all()
    assert "every image counts as free of cloud" in caplog.text
    write(tmp_path / "masks/20180301.tif", values(1, 4, 4), 10.0)
    text = "sensors={'s2': Images('s2/{date}.tif', masks='masks/{date}.tif')}"
    scene = opens(tmp_path, text, tried)
    assert "skipped 2018-04-01 00:00:00: expected a mask" in caplog.text
    with pytest.raises(ValueError, match=r"20180301\.tif: expected percents, 0 to 100, found"):
        scene.read((0, 0), 4)


def test_products_of_the_new_baseline_that_state_no_offset_are_told(tmp_path, caplog):
    write(tmp_path / "s2/20220201.tif", pixels(), 10.0)
    opens(tmp_path)
    assert "s2: " in caplog.text
    assert "20220201.tif states no offset, but products of Sentinel-2 have -0.1 since 2022-01-25" in caplog.text
    caplog.clear()
    opens(tmp_path, "sensors={'s2': Images('s2/{date}.tif', offset=0.0)}")
    assert "offset" not in caplog.text


def test_a_region_that_reaches_beyond_the_images_is_cut_and_told(tmp_path, caplog):
    write(tmp_path / "s2/20180301.tif", pixels(), 10.0)
    region = f"region=({LEFT - 40}, 0, {LEFT + 20}, 1e7)"
    assert opens(tmp_path, f"{DATED}, {region}").frame.width == 20
    assert "region: cut to where images are" in caplog.text


@pytest.mark.parametrize("text", ["{}", "[]", '{"features": 3}', "3"])
def test_json_that_is_no_collection_of_items(tmp_path, text):
    (tmp_path / "scene.json").write_text(text)
    with pytest.raises(DataPrepError, match=r"scene.json: expected a STAC item collection, with features, found none"):
        open_scene(tmp_path / "scene.json", experiment(s2=S2))

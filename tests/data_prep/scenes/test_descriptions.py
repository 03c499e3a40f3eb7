"""The ways to say where images are: files of single bands, several dates a file, YAML, STAC."""

import json

import numpy as np
import pytest

from data_prep.errors import DataPrepError
from data_prep.scenes import open_scene
from tests.data_prep.scenes.scenery import LEFT, S1, S2, describe, experiment, values, write


def pixels(seed=0, bands=2):
    return values(bands, 4, 4, seed=seed, dtype="uint16")


def read(path, tried=None):
    return open_scene(path, tried or experiment(s2=S2)).read((0, 0), 4)["s2"]


def test_one_file_per_band(tmp_path):
    for date in range(2):
        for band, image in zip(("B02", "B08", "SCL"), pixels(date, 3), strict=True):
            write(tmp_path / f"s2/2018030{date + 1}/T32_{band}.tif", image[None], 10.0)
    text = "sensors={'s2': Images('s2/{date}/*_{band}.tif')}"
    np.testing.assert_array_equal(read(describe(tmp_path, text))["pixels"], [pixels(0), pixels(1)])
    (tmp_path / "s2/20180302/T32_B08.tif").unlink()
    with pytest.raises(DataPrepError, match=r"expected a file of band B08 like .*20180302/T32_B02\.tif, found none"):
        read(describe(tmp_path, text))


def test_bands_of_other_resolutions(tmp_path):
    write(tmp_path / "s2/20180301_B02.tif", pixels()[:1], 10.0)
    write(tmp_path / "s2/20180301_B08.tif", np.full((1, 2, 2), 700, np.uint16), 20.0)
    found = read(describe(tmp_path, "sensors={'s2': Images('s2/{date}_{band}.tif')}"))["pixels"]
    np.testing.assert_array_equal(found[0, 0], pixels()[0])
    assert (found[0, 1] == 700).all()


def test_several_dates_in_a_file(tmp_path):
    stack = pixels(bands=6)
    write(tmp_path / "s2.tif", stack, 10.0, names=("B02", "B08") * 3)
    text = "sensors={'s2': Images('s2.tif', dates=('2018-03-01', '2018-02-01', '2018-04-01T10:30'))}"
    found = read(describe(tmp_path, text))
    np.testing.assert_array_equal(found["pixels"], stack.reshape(3, 2, 4, 4)[[1, 0, 2]])
    assert found["dates"].tolist() == [[2018, 32, 0], [2018, 60, 0], [2018, 91, 10]]


def test_dates_in_names_and_passes(tmp_path):
    """Images of one pass, seconds apart, are one acquisition; those of another orbit of that day are not."""
    write(tmp_path / "s2/A_20180301T101500.tif", pixels(0), 10.0)
    write(tmp_path / "s2/B_20180301T101525.tif", pixels(1), 10.0, left=LEFT + 40)
    write(tmp_path / "s2/C_20180301T120000.tif", pixels(2), 10.0)
    text = r"sensors={'s2': Images('s2/*.tif', date_regex=r'_(\d{8}T\d{6})', date_format='%Y%m%dT%H%M%S')}"
    record = open_scene(describe(tmp_path, text), experiment(s2=S2)).read((0, 0), 8)["s2"]
    assert record["dates"].tolist() == [[2018, 60, 10], [2018, 60, 12]]
    np.testing.assert_array_equal(record["pixels"][0, :, :4], np.concatenate([pixels(0), pixels(1)], 2))


def test_files_that_are_never_used_are_named(tmp_path, caplog):
    write(tmp_path / "s2/20180301_a.tif", pixels(0), 10.0)
    write(tmp_path / "s2/20180301_b.tif", pixels(1), 10.0)
    found = read(describe(tmp_path, "sensors={'s2': Images('s2/{date}_*.tif')}"))["pixels"]
    np.testing.assert_array_equal(found, [pixels(0)])
    assert "1 files cover the place of another at its time" in caplog.text


def test_zones_side_by_side(tmp_path):
    """A date in two projections is one image, without a seam of missing pixels."""
    flat = np.full((2, 30, 30), 1234, np.uint16)
    write(tmp_path / "s2/20180301_31.tif", flat, 10.0, left=916_600, top=5_717_250, crs="EPSG:32631")
    write(tmp_path / "s2/20180301_32.tif", flat, 10.0, left=LEFT, top=5_700_100)
    text = "sensors={'s2': Images('s2/{date}_*.tif')}, crs='EPSG:32632'"
    scene = open_scene(describe(tmp_path, text), experiment(s2=S2))
    assert scene.frame.width > 320
    found = scene.read((12, 0), scene.frame.cells[1])["s2"]["pixels"][0, 0]
    assert (found[:10, 6:-3] == 1234).all()


def test_yaml(tmp_path):
    write(tmp_path / "s2/20180301.tif", pixels(), 10.0)
    path = tmp_path / "scene.yaml"
    path.write_text("sensors:\n  s2:\n    pattern: s2/*.tif\n    date: 2018-03-01\nstart: 20180101\nend: 20181231\n")
    assert read(path)["dates"].tolist() == [[2018, 60, 0]]
    path.write_text("sensors:\n  s2:\n    patern: x\n")
    with pytest.raises(DataPrepError, match=r"scene\.yaml: sensors\.s2\.patern: no such field"):
        read(path)
    path.write_text("sensors: [")
    with pytest.raises(DataPrepError, match=r"scene\.yaml: cannot be read"):
        read(path)


@pytest.fixture
def collection(tmp_path):
    """Two items with an asset for each band, below the collection's folder."""
    features = []
    for number in range(2):
        assets = {}
        for band, image in zip(("B02", "B08"), pixels(number), strict=True):
            write(tmp_path / f"x/{number}_{band}.tif", image[None], 10.0)
            assets[band.lower()] = {"href": f"./x/{number}_{band}.tif"}
        moment = f"2018-03-0{2 - number}T10:30:00Z"
        features.append(
            {
                "type": "Feature",
                "stac_version": "1.0.0",
                "id": f"i{number}",
                "geometry": None,
                "properties": {"datetime": moment},
                "links": [],
                "assets": assets,
            }
        )
    path = tmp_path / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def change(path, **asset):
    found = json.loads(path.read_text())
    for item in found["features"]:
        for each in item["assets"].values():
            each.update(asset)
    path.write_text(json.dumps(found))


def test_stac_items(collection):
    for path in (collection, describe(collection.parent, "sensors={'s2': Images(items='items.json')}")):
        found = read(path)
        np.testing.assert_array_equal(found["pixels"], [pixels(1), pixels(0)])
        assert found["dates"].tolist() == [[2018, 60, 10], [2018, 61, 10]]
    text = "sensors={'s2': Images(items='items.json', assets={'B02': 'b08', 'B08': 'b02'})}"
    np.testing.assert_array_equal(read(describe(collection.parent, text))["pixels"][0], pixels(1)[::-1])


def test_what_items_state_is_checked(collection):
    change(collection, **{"raster:bands": [{"scale": 1e-4, "offset": -0.1, "nodata": 0}]})
    with pytest.raises(DataPrepError, match=r"x/\d_B02\.tif: offset: expected 0 as the contract says, found -0\.1"):
        read(collection)
    text = "sensors={'s2': Images(items='items.json', offset=-0.1)}"
    found = read(describe(collection.parent, text))["pixels"]
    assert found.max() == 1  # 250 - 1000 is what an unsigned integer cannot hold, and 0 is nodata


@pytest.mark.parametrize(
    "href", ["../x.tif", "/etc/passwd", "file:///etc/passwd", "/vsicurl/http://x/y.tif", "x/y.vrt"]
)
def test_items_do_not_lead_elsewhere(collection, href):
    change(collection, href=href)
    with pytest.raises(DataPrepError, match=r"expected the name of a file below it|found a virtual|cannot be read"):
        read(collection)


def test_collections_that_tell_no_sensor(collection):
    with pytest.raises(DataPrepError, match=r"items\.json: expected assets called like the bands of one sensor"):
        open_scene(collection, experiment(s1=S1))

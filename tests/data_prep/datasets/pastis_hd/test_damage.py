"""Holes are missing modalities and are counted; what is damaged is named, and the other patches are kept."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio

from data_prep.__main__ import main
from data_prep.datasets.pastis_hd.contract import CONTRACT
from data_prep.datasets.pastis_hd.metadata import read_patches
from data_prep.datasets.pastis_hd.read import SERIES, read_tile, spot_path, target_path
from data_prep.errors import DataPrepError, TileError
from mmae_jax.data import sample
from mmae_jax.data.shards import open_shards
from tests.data_prep.datasets.pastis_hd.raw_files import replace, save, with_table


def test_plain_pastis_lacks_spot_and_radar(raw, tmp_path, capsys, experiment):
    for folder in ("DATA_SPOT", "DATA_S1A", "DATA_S1D"):
        shutil.rmtree(raw / folder)
    path = raw / "metadata.geojson"
    collection = json.loads(path.read_text())
    for feature in collection["features"]:
        del feature["properties"]["dates-S1A"], feature["properties"]["dates-S1D"]
    replace(path, json.dumps(collection).encode())
    assert main(["pastis_hd", f"--raw_dir={raw}", f"--out_dir={tmp_path / 'out'}", "--fold=1"]) == 0
    printed = capsys.readouterr().out
    assert "train: 3 tiles kept, 0 skipped, 3 without spot, 3 without s1_asc, 3 without s1_des" in printed
    data = dataclasses.replace(experiment.data, dir=str(tmp_path / "out"))
    found = sample.eval_sample(
        experiment, open_shards(dataclasses.replace(experiment, data=data)).source(("val",))[0], 9
    )
    assert {name: bool(valid.any()) for name, valid in found["valid"].items()} == {
        "spot": False,
        "s2": True,
        "s1_asc": False,
        "s1_des": False,
    }


def test_a_single_absent_file_is_a_missing_modality(raw):
    patch = read_patches(raw)["30000"]
    spot_path(raw, patch).unlink()
    SERIES["s1_des"].path(raw, patch).unlink()
    record, _ = read_tile(raw, patch)
    num_dates = {name: len(record[name]["dates"]) for name in CONTRACT.modalities}
    assert (num_dates["spot"], num_dates["s1_des"]) == (0, 0)
    assert min(num_dates["s2"], num_dates["s1_asc"]) > 0
    assert record["spot"]["pixels"].shape == (0, 3, 1280, 1280)


def test_dates_out_of_order_are_sorted_with_their_pixels(raw):
    patch = read_patches(raw)["10000"]
    expected, _ = read_tile(raw, patch)
    path = SERIES["s2"].path(raw, patch)
    pixels = np.load(path)
    order = np.random.default_rng(0).permutation(len(pixels))
    save(path, pixels[order])
    with_table(raw, "10000", "dates-S2", lambda table: {str(i): table[str(old)] for i, old in enumerate(order)})
    found, _ = read_tile(raw, read_patches(raw)["10000"])
    for part in ("pixels", "dates"):
        np.testing.assert_array_equal(found["s2"][part], expected["s2"][part])


def test_date_tables_may_be_json_text_with_text_dates(raw):
    expected = read_patches(raw)["10000"].dates("dates-S1A", raw)
    with_table(raw, "10000", "dates-S1A", lambda table: json.dumps({number: str(day) for number, day in table.items()}))
    np.testing.assert_array_equal(read_patches(raw)["10000"].dates("dates-S1A", raw), expected)


def without_last(table):
    return dict(list(table.items())[:-1])


TABLES = {
    "absent": (lambda _: None, "dates-S2: not found"),
    "a date less": (without_last, r"S2_10000.npy: dates in dates-S2: expected \d+, found \d+"),
    "a number less": (lambda table: {n: day for n, day in table.items() if n != "3"}, "dates-S2: .* found no 3"),
    "day 00": (lambda table: table | {"2": 20190400}, "dates-S2: day"),
    "no date": (lambda table: table | {"2": "soon"}, "dates-S2: expected a date YYYYMMDD, found 'soon'"),
    "a list": (lambda table: list(table.values()), "dates-S2: expected dates"),
    "no JSON": (lambda _: '{"0": 2018', "dates-S2: "),
}


@pytest.mark.parametrize("case", TABLES)
def test_damaged_date_tables_are_named(raw, case):
    change, message = TABLES[case]
    with_table(raw, "10000", "dates-S2", change)
    with pytest.raises(TileError, match=message) as raised:
        read_tile(raw, read_patches(raw)["10000"])
    assert case == "a date less" or "metadata.geojson: patch 10000" in str(raised.value)


def cut_short(path):
    replace(path, path.read_bytes()[:-1000])


def resave(change):
    return lambda path: save(path, change(np.load(path)))


def rewrite(**changes):
    def change(path):
        with rasterio.open(path) as file:
            pixels, profile = file.read(), file.profile | changes
        path.unlink()
        with rasterio.open(path, "w", **profile) as file:
            file.write(pixels[: profile["count"], : profile["height"], : profile["width"]].astype(profile["dtype"]))

    return change


S2, S1A = SERIES["s2"].path, SERIES["s1_asc"].path
FILES = {
    "S2 absent": (S2, Path.unlink, "cannot be read"),
    "S2 cut short": (S2, cut_short, "cannot be read"),
    "S2 empty": (S2, lambda path: replace(path, b""), "cannot be read"),
    "S2 no array": (S2, lambda path: replace(path, b"no array"), "cannot be read"),
    "S2 objects": (S2, lambda path: save(path, np.array([{}])), "cannot be read"),
    "S2 dtype": (S2, resave(np.float32), "dtype: expected int16, found float32"),
    "S2 bands": (
        S2,
        resave(lambda data: data[:, :9]),
        r"shape: expected \(\d+, 10, 128, 128\), found \(\d+, 9, 128, 128\)",
    ),
    "S2 axes": (S2, resave(lambda data: data[0]), "number of axes: expected 4, found 3"),
    "S2 no dates": (S2, resave(lambda data: data[:0]), "expected at least one"),
    "S1 cut short": (S1A, cut_short, "cannot be read"),
    "S1 bands": (S1A, resave(lambda data: data[:, :2]), r"expected \(\d+, 3, 128, 128\)"),
    "S1 dtype": (S1A, resave(np.float32), "dtype: expected float16, found float32"),
    "classes absent": (target_path, Path.unlink, "cannot be read"),
    "classes dtype": (target_path, resave(np.int64), "dtype: expected uint8, found int64"),
    "classes size": (target_path, resave(lambda data: data[:, :64]), "shape: expected"),
    "unknown class": (
        target_path,
        resave(lambda data: np.where(data == 0, 20, data).astype("uint8")),
        "0 to 18 or 19 \\(missing or ignored\\), found 20",
    ),
    "SPOT cut short": (spot_path, lambda path: replace(path, path.read_bytes()[:5000]), "cannot be read"),
    "SPOT bands": (spot_path, rewrite(count=1), "bands: expected 3, found 1"),
    "SPOT dtype": (spot_path, rewrite(dtype="uint16"), "dtype: expected uint8, found uint16"),
    "SPOT size": (spot_path, rewrite(height=1279), r"size: expected at least \(1280, 1280\), found \(1279, 1280\)"),
}


@pytest.mark.parametrize("case", FILES)
def test_damaged_files_are_named(raw, case):
    patch = read_patches(raw)["10000"]
    path_of, damage, message = FILES[case]
    path = path_of(raw, patch)
    damage(path)
    with pytest.raises(TileError, match=message) as raised:
        read_tile(raw, patch)
    assert str(path) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("geometry", [None, {"type": "Point"}, {"type": "Polygon", "coordinates": [[]]}])
def test_a_damaged_outline_is_named(made_up, geometry):
    patch = dataclasses.replace(read_patches(made_up)["10000"], geometry=geometry)
    with pytest.raises(TileError, match=r"metadata.geojson: patch 10000: geometry: expected one polygon"):
        read_tile(made_up, patch)


def outline(change):
    def apply(collection):
        geometry = collection["features"][0]["geometry"]
        geometry["coordinates"] = [[[change(*point[:2]) for point in ring] for ring in geometry["coordinates"][0]]]

    return apply


def no_crs(collection):
    del collection["crs"]
    outline(lambda x, y: [x / 1e5, y / 1e5])(collection)


def another_crs(collection):
    collection["crs"]["properties"]["name"] = "urn:ogc:def:crs:EPSG::32631"


ELSEWHERE = {
    "degrees": (no_crs, "10000: ground sample distance: expected 1 m, found 1.0008e-05 m"),
    "doubled": (outline(lambda x, y: [2 * x, 2 * y]), "10000: ground sample distance: expected 1 m, found 2.00"),
    "UTM": (outline(lambda x, y: [x, y - 1e6]), "10000: north-west corner: expected -400000 to 1300000 and 6000000 to"),
    "no number": (outline(lambda x, y: [x, float("nan")]), "10000: ground sample distance: expected 1 m, found nan m"),
    "no name": (lambda collection: collection.update(crs="Lambert"), "crs: expected a name, found 'Lambert'"),
    "another system": (another_crs, "crs: expected EPSG:2154 as published, found urn:ogc:def:crs:EPSG::32631"),
}


@pytest.mark.parametrize(("change", "message"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_an_outline_that_is_no_patch_in_france_is_named(raw, change, message):
    path = raw / "metadata.geojson"
    collection = json.loads(path.read_text())
    change(collection)
    replace(path, json.dumps(collection).encode())
    with pytest.raises(DataPrepError, match=f"metadata.geojson: (patch )?{message}"):
        read_tile(raw, read_patches(raw)["10000"])


def test_numbers_of_another_byte_order_are_the_same_numbers(raw):
    patch = read_patches(raw)["10000"]
    path = S2(raw, patch)
    before = read_tile(raw, patch)[0]["s2"]["pixels"]
    resave(lambda data: data.astype(">i2"))(path)
    after = read_tile(raw, patch)[0]["s2"]["pixels"]
    assert after.dtype.isnative
    np.testing.assert_array_equal(after, before)


def test_a_damaged_patch_is_skipped_and_the_others_are_kept(raw, tmp_path, capsys):
    path = S2(raw, read_patches(raw)["20000"])
    cut_short(path)
    assert main(["pastis_hd", f"--raw_dir={raw}", f"--out_dir={tmp_path / 'out'}"]) == 0
    printed = capsys.readouterr()
    assert "train: 2 tiles kept, 1 skipped" in printed.out
    assert f"skipped 20000: {path}: cannot be read" in printed.err

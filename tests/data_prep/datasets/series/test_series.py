"""A table of series of places, described by a Python file, becomes shards that a config can train on."""

import json

import geopandas
import jax
import numpy as np
import pytest
import shapely

from data_prep.__main__ import main
from data_prep.preview.cards import read_sheet
from mmae_jax.command_line.config_file import load_experiment
from mmae_jax.contract import read_contract
from mmae_jax.data.abstract import abstract_batch
from mmae_jax.data.pipeline import train_dataset
from mmae_jax.data.shards import open_shards
from tests.data_prep.conftest import records
from tests.data_prep.datasets.series.made_up import CROPS, DATES, NODATA, PLACES, describe, long_table, prepare, write

SPLITS = ("train", "val", "test")
ROWS = len(DATES)


def all_records(directory):
    return {name: record for split in SPLITS for name, record in records(directory, split).items()}


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    code, out = prepare(tmp_path_factory.mktemp("long"), long_table())
    assert code == 0
    return out


def test_records_hold_what_the_table_says(shards):
    table, found = long_table(), all_records(shards)
    assert sorted(found) == PLACES
    for number, place in enumerate(PLACES):
        rows, record = slice(ROWS * number, ROWS * (number + 1)), found[place]
        expected = np.stack([table["S2-B02"][rows], table["S2-B08"][rows]], axis=1)
        np.testing.assert_array_equal(record["s2"]["pixels"][..., 0, 0], expected)
        decibels = 20 * np.log10(table["S1-VV"][rows]) - 83
        np.testing.assert_allclose(record["s1"]["pixels"][:, 0, 0, 0], decibels, rtol=1e-6)
        np.testing.assert_array_equal(record["s2"]["dates"], [[2020, day, 0] for day in (1, 32, 61, 92)])
        assert record["crop"] == list(CROPS).index(table["crop"][rows][0])
        a, _, c, _, e, f = record["transform"]
        assert (c + a / 2, f + e / 2) == pytest.approx((10 + number / 100, 50 - number / 100))
        assert -e * 111_195 == pytest.approx(10, rel=1e-3)
        assert record["crs"] == b"EPSG:4326"


def test_no_group_is_in_two_splits(shards):
    groups = {split: {PLACES.index(name) // 2 for name in records(shards, split)} for split in SPLITS}
    assert sorted(one for found in groups.values() for one in found) == list(range(8))


def test_the_printed_config_trains_on_the_shards(tmp_path, capsys):
    assert prepare(tmp_path, long_table())[0] == 0
    printed = capsys.readouterr().out
    config = tmp_path / "my_config.py"
    config.write_text(printed[printed.index("from configs") :])
    experiment = load_experiment(f"{config}:runlocal")
    assert experiment.targets == ("crop",)
    batch = train_dataset(experiment, "pretrain", open_shards(experiment).source(("train",)), 2)[0]
    shapes = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), batch)
    assert shapes == jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), abstract_batch(experiment, 2))


def test_the_same_bytes_whatever_the_processes_the_order_and_the_format(shards, tmp_path):
    def checksums(directory):
        return {
            name: shard["crc32c"]
            for name, shard in json.loads((directory / "manifest.json").read_text())["shards"].items()
        }

    table = long_table()
    order = np.random.default_rng(1).permutation(len(table["id"]))
    shuffled = {name: [values[row] for row in order] for name, values in table.items()}
    for name in ("fields.parquet", "fields.csv"):
        folder = tmp_path / name.replace(".", "_")
        folder.mkdir()
        code, out = prepare(folder, shuffled, f"table={name!r}", "--processes=2", name=name)
        assert code == 0
        assert checksums(out) == checksums(shards)


def test_names_of_digits_stay_as_they_are_written(tmp_path):
    table = long_table(id=[f"{row // ROWS:03d}" for row in range(ROWS * len(PLACES))])
    code, out = prepare(tmp_path, table, "table='fields.csv'", name="fields.csv")
    assert code == 0
    assert "007" in all_records(out)


def test_a_table_in_several_files_is_one(shards, tmp_path):
    table = long_table()
    for part, rows in (("a", slice(0, 30)), ("b", slice(30, None))):
        write(tmp_path, {name: values[rows] for name, values in table.items()}, f"fields_{part}.parquet")
    code, out = prepare(tmp_path, None, "table='fields_*.parquet'")
    assert code == 0
    assert sorted(all_records(out)) == PLACES


def test_the_other_commands_take_single_pixels(shards, tmp_path, capsys):
    assert main(["verify", str(shards)]) == 0
    sheet = read_sheet(shards, [], 4)
    assert [one.pixels.shape for one in sheet.cards[0].series["s2"]] == [(1, 24, 24)]  # a strip for each date
    np.testing.assert_array_equal(
        sheet.cards[0].series["s2"][0].pixels[:, 0], sheet.cards[0].series["s2"][0].pixels[:, 9]
    )
    assert main(["preview", str(shards), f"--out={tmp_path / 'page.html'}"]) == 0
    assert main(["statistics", str(shards), f"--out={tmp_path / 'statistics'}"]) == 0
    assert "inputs.s1: mean=[" in capsys.readouterr().out


def test_another_fold_tests_and_what_validates_moves_along(shards, tmp_path):
    code, out = prepare(tmp_path, long_table(), "", "--fold=1")
    assert code == 0
    assert set(records(out, "test")) == set(records(shards, "val"))
    assert prepare(tmp_path, None, "splits=Fractions({'train': 1.0})", "--fold=1")[0] == 1


def test_values_that_are_missing_leave_their_date_out_and_are_counted(tmp_path, capsys, caplog):
    table = long_table()
    table["S2-B02"][0] = NODATA  # one band of the first date of the first place
    table["S2-B02"][1] = table["S2-B08"][1] = NODATA  # both of the second
    table["S1-VV"][2] = 0
    table["S2-B08"][4] = 20001  # beyond value_range
    code, out = prepare(tmp_path, table)
    printed = capsys.readouterr()
    assert code == 0
    found = all_records(out)
    np.testing.assert_array_equal(found[PLACES[0]]["s2"]["dates"][:, 1], [61, 92])
    np.testing.assert_array_equal(found[PLACES[0]]["s1"]["dates"][:, 1], [1, 32, 92])
    assert len(found[PLACES[1]]["s2"]["dates"]) == 3
    assert "1 × date: s2, expected values of all bands or of none" in printed.out
    assert "1 × date: s2, expected values within value_range" in printed.out
    assert "s2: 1 of 64 dates have no value" in caplog.text


def test_a_place_without_a_sensor_is_used_and_one_without_any_is_not(tmp_path, capsys):
    table = long_table()
    for row in range(ROWS):
        table["S1-VV"][row] = 0
        table["S1-VV"][ROWS + row], table["S2-B02"][ROWS + row], table["S2-B08"][ROWS + row] = 0, NODATA, NODATA
    code, out = prepare(tmp_path, table)
    assert code == 0
    found = all_records(out)
    assert PLACES[1] not in found
    assert found[PLACES[0]]["s1"]["pixels"].shape == (0, 1, 1, 1)
    assert "1 × tile: dates" in capsys.readouterr().out


def test_the_commonest_classes_are_kept_and_the_rest_have_no_label(tmp_path, caplog):
    target = "targets={'crop': Label('crop', Target('classif', (), 'crop'), commonest=2, values={'wheat': None})}"
    code, out = prepare(tmp_path, long_table(), target)
    assert code == 0
    assert read_contract(out).targets["crop"].classes == ("maize", "rape")
    labels = [int(record["crop"]) for _, record in sorted(all_records(out).items())]
    assert labels == [-1] * 7 + [0] * 5 + [1] * 3 + [-1]
    assert "target crop: 8 of 16 places have no label" in caplog.text
    assert (
        main(["series", f"--spec={describe(tmp_path, target + ', labelled_only=True')}", f"--out_dir={tmp_path / 'b'}"])
        == 0
    )
    assert sorted(all_records(tmp_path / "b")) == PLACES[7:15]


def test_numbers_are_learnt_and_places_without_targets_are_prepared(tmp_path):
    tonnes = [None if row < ROWS else row // ROWS / 4 for row in range(len(PLACES) * ROWS)]
    changes = "targets={'harvest': Label('tonnes', Target('regression', (), 'tonnes'))}"
    code, out = prepare(tmp_path, long_table(tonnes=tonnes), changes)
    assert code == 0
    found = all_records(out)
    assert np.isnan(found[PLACES[0]]["tonnes"])
    assert found[PLACES[3]]["tonnes"] == 0.75
    changes = describe(tmp_path, "targets={}, coordinates=None, splits=Fractions({'train': 0.5, 'val': 0.5})")
    assert main(["series", f"--spec={changes}", f"--out_dir={tmp_path / 'bare'}"]) == 0
    bare = records(tmp_path / "bare", "train")
    assert len(bare) == 8
    assert next(iter(bare.values()))["crs"] == b""


def test_geometries_and_their_system_are_read(tmp_path):
    table = long_table()
    points = [shapely.Point(500_000 + 10 * row, 5_000_000) for row in range(len(table["id"]))]
    frame = geopandas.GeoDataFrame(
        table, geometry=[points[row // ROWS] for row in range(len(points))], crs="EPSG:32632"
    )
    frame.to_parquet(tmp_path / "fields.parquet")
    code, out = prepare(tmp_path, None, "coordinates=Geometry()")
    assert code == 0
    record = all_records(out)[PLACES[3]]
    np.testing.assert_allclose(record["transform"], [10, 0, 500_025, 0, -10, 5_000_005])
    assert b"UTM zone 32N" in record["crs"]

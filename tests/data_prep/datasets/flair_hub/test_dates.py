"""The tables of dates: damage is named, order is time, and a process reads them once."""

import json
import os
import pickle
import shutil

import numpy as np
import pytest

from data_prep.datasets.flair_hub import read as flair_hub
from data_prep.datasets.flair_hub.date_tables import date_tables
from data_prep.datasets.flair_hub.splits import SplitChoice
from data_prep.readers.splits import SplitFiles
from tests.data_prep.conftest import records
from tests.data_prep.datasets.flair_hub.layout import (
    TABLES,
    area_of,
    file_of,
    patches,
    slow_dates,
    slow_pixels,
    sql,
    table,
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("20210230", "day is out of range"),
        ("2021", "expected a date YYYYMMDD, found '2021'"),
        ("", "expected a date YYYYMMDD, found ''"),
    ],
)
def test_a_patch_whose_aerial_date_is_damaged_is_skipped(raw, prepare, text, message):
    path, first = table(raw, "AERIAL"), patches(raw)[0]
    sql(path, "UPDATE {layer} SET date = ? WHERE patch_id = ?", text, first)
    code, printed = prepare(raw)
    assert code == 0, printed
    assert f"skipped {first}: {path}: {first}: " in printed
    assert message in printed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"1": "20210114", "2": ', "Expecting value"),
        ('{"0": "20210114", "1": "20210120"}', "expected dates numbered 1 to 2, found no 2"),
        ('["20210114"]', "expected dates"),
    ],
)
def test_an_area_with_damaged_dates_lacks_the_series(raw, prepare, tmp_path, text, message):
    path, first = table(raw, "SENTINEL2"), patches(raw)[0]
    sql(path, "UPDATE {layer} SET acquisition_dates = ? WHERE patch_id LIKE ?", text, area_of(first))
    code, printed = prepare(raw)
    assert code == 0, printed
    assert f"skipped s2 of {first}: {path}: " in printed
    assert message in printed
    assert len(records(tmp_path / "out")[first]["s2"]["dates"]) == 0


def test_dates_out_of_order_are_sorted_with_their_images(raw, prepare, tmp_path):
    path, first = table(raw, "SENTINEL2"), patches(raw)[0]
    [(text,)] = sql(path, "SELECT acquisition_dates FROM {layer} WHERE patch_id = ?", first)
    days = list(json.loads(text).values())
    days[0], days[3], days[5] = days[3], days[0], days[6]
    swapped = json.dumps({str(number): day for number, day in enumerate(days, 1)})
    sql(path, "UPDATE {layer} SET acquisition_dates = ? WHERE patch_id LIKE ?", swapped, area_of(first))
    code, printed = prepare(raw)
    assert code == 0, printed
    assert f"{first}: s2: the dates are not in order of time; they are stored sorted" in printed
    order = [3, 1, 2, 0, 4, 5, 6, *range(7, len(days))]
    stored = records(tmp_path / "out")[first]["s2"]
    bands = slow_pixels(file_of(raw, first, "SENTINEL2_TS"), len(days), 10)
    mask = slow_pixels(file_of(raw, first, "SENTINEL2_MSK-SC"), len(days), 2)
    np.testing.assert_array_equal(stored["pixels"], bands[order])
    np.testing.assert_array_equal(stored["mask"], mask[order])
    assert (np.diff(stored["dates"][:, 1]) >= 0).all()


def test_a_patch_may_have_other_dates_than_its_area(raw, prepare, tmp_path):
    path = table(raw, "SENTINEL2")
    first, second = [patch for patch in patches(raw) if area_of(patch) == area_of(patches(raw)[0])][:2]
    [(text,)] = sql(path, "SELECT acquisition_dates FROM {layer} WHERE patch_id = ?", second)
    days = {number: str(int(day) + 10_000) for number, day in json.loads(text).items()}
    sql(path, "UPDATE {layer} SET acquisition_dates = ? WHERE patch_id = ?", json.dumps(days), second)
    assert prepare(raw)[0] == 0
    prepared = records(tmp_path / "out")
    for patch in (first, second):
        np.testing.assert_array_equal(prepared[patch]["s2"]["dates"], slow_dates(raw, patch, "s2"))
    assert prepared[second]["s2"]["dates"][0, 0] == prepared[first]["s2"]["dates"][0, 0] + 1


@pytest.mark.parametrize("name", sorted(set(TABLES.values())))
def test_an_absent_date_table_is_fatal(raw, prepare, tmp_path, name):
    table(raw, name).unlink()
    code, printed = prepare(raw)
    assert code == 1
    assert f"error: {table(raw, name)}: not found, though there are images in " in printed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw"]


def test_a_modality_that_was_not_downloaded_needs_no_date_table(raw, prepare, tmp_path):
    table(raw, "SENTINEL1-ASC").unlink()
    for folder in raw.glob("*_SENTINEL1-ASC_TS"):
        shutil.rmtree(folder)
    code, printed = prepare(raw)
    assert code == 0, printed
    assert f"{len(patches(raw))} without s1_asc" in printed
    assert "left out" not in printed


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(b"no table"), "cannot be read"),
        (lambda path: os.truncate(path, 3000), "cannot be read"),
        (lambda path: sql(path, "ALTER TABLE {layer} RENAME COLUMN date TO day"), "expected a column date, found"),
    ],
    ids=["no table", "truncated", "column"],
)
def test_a_damaged_date_table_is_fatal(raw, prepare, damage, message):
    damage(table(raw, "AERIAL"))
    code, printed = prepare(raw)
    assert code == 1
    assert f"error: {table(raw, 'AERIAL')}: {message}" in printed
    assert "Traceback" not in printed


def test_dates_are_read_once_and_are_no_part_of_a_task(published):
    tiles = flair_hub.list_tiles(SplitChoice(SplitFiles()), published)["train"]
    assert len(pickle.dumps(tiles[0])) < 200
    date_tables.cache_clear()
    for tile in tiles:
        flair_hub.read_tile(published, tile)
    assert date_tables.cache_info().misses == 1
    one, other = tiles[0], tiles[0].name.replace("_1-1", "_9-9")
    series = date_tables(published)["s2"]
    assert series.dates(one.name) is series.dates(other)  # kept once an area

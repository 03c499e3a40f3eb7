"""Preparation ends by telling what was left out, by reason; a table beside the manifest lists each."""

import csv
import dataclasses

import numpy as np
import pytest
from immutabledict import immutabledict

from data_prep.errors import TileError
from data_prep.problems import Problem, report, table
from data_prep.shards.prepare import prepare
from data_prep.shards.summary import described
from data_prep.shards.verify import verify
from tests.data_prep.shards.tiny import CONTRACT, Tile, source, tile_record


def read_tile(_raw_dir, tile):
    if tile.raises:
        raise tile.raises
    if tile.name == "partly":
        report(Problem(tile.name, "date", "raw/s/partly_1.tif: size: expected (1, 1), found (2, 1)"))
        return tile_record(tile.name), 1
    return tile_record(tile.name), 2 if tile.name == "counted" else 0


def test_each_is_listed_with_its_reason(tmp_path):
    (tmp_path / "raw").mkdir()
    bad = [Tile(f"bad{number}", TileError(f"raw/{number}.tif: cannot be read (no {number})")) for number in range(2)]
    splits = {"train": [*bad, Tile("good"), Tile("partly")], "val": [Tile("counted")]}
    summaries = prepare(source(splits, read_tile), tmp_path / "raw", tmp_path / "out")
    with (tmp_path / "out" / "problems.csv").open(newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["tile"])
    assert [(row["split"], row["tile"], row["left_out"], row["reason"]) for row in rows] == [
        ("train", "bad0", "tile", "cannot be read"),
        ("train", "bad1", "tile", "cannot be read"),
        ("val", "counted", "date", "dates without a usable value"),
        ("train", "partly", "date", "size"),
    ]
    assert rows[1]["message"] == "raw/1.tif: cannot be read (no 1)"
    assert described(summaries, CONTRACT, tmp_path / "out").splitlines() == [
        "train: 2 tiles kept, 2 skipped, 1 damaged dates dropped",
        "val: 1 tiles kept, 0 skipped, 2 damaged dates dropped",
        f"left out, each listed in {tmp_path / 'out' / 'problems.csv'}:",
        "2 × tile: cannot be read",
        "1 × date: size",
        "1 × date: dates without a usable value",
    ]
    verify(tmp_path / "out", 1)  # the table is one of the files that the manifest lists


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("raw/a.tif: bands: expected 2 bands × 2 dates = 4, found 3", "bands"),
        ("raw/a.tif: expected classes 0 to 1 or 9 (missing or ignored), found 7", "expected classes 0 to 1 or 9"),
        ("target crop: expected a file crop/a2.tif, found none", "target crop"),
        ("raw/a.tif: not found, though other bands of it are there", "not found"),
        ("raw/a.tif", "cannot be used"),
        ("raw/a.tif: coordinate system, as in raw/b.tif: expected EPSG:32631, found EPSG:32632", "coordinate system"),
    ],
)
def test_reasons_leave_out_what_differs_between_tiles(message, reason):
    assert Problem("a", "tile", message).reason == reason


def test_names_of_files_that_are_no_utf8_are_written_all_the_same():
    problem = Problem("a", "date", "raw/caf\udce9.tif: cannot be read")
    assert "caf\\udce9.tif" in table({"train": [problem]}).encode().decode()


@pytest.mark.parametrize(("percent", "told"), [(0, False), (1, True), (2, False)])
def test_masks_that_seem_to_be_shares_are_told(tmp_path, percent, told):
    def read_cloudy(_raw_dir, tile):
        record = tile_record(tile.name)
        record["s"]["mask"] = np.full((1, 1, 1, 1), percent, np.uint8)
        return record, 0

    cloudy = dataclasses.replace(CONTRACT.modalities["s"], mask_channels=("cloud",))
    contract = dataclasses.replace(CONTRACT, modalities=immutabledict(s=cloudy))
    tiles = dataclasses.replace(source({"train": [Tile("a")]}, read_cloudy), contract=contract)
    (tmp_path / "raw").mkdir()
    summaries = prepare(tiles, tmp_path / "raw", tmp_path / "out")
    end = described(summaries, contract, tmp_path / "out")
    assert end.endswith("\ns: no mask is above 1 %: are they shares?") == told

"""Damaged raw data: the message names file, key, expected and found; the other tiles are kept."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio

from tests.data_prep.conftest import records, rows


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def rewrite(path: Path, **changes: object) -> None:
    with rasterio.open(path) as file:
        pixels, profile = file.read(), file.profile
    profile.update(changes)
    with rasterio.open(path, "w", **profile) as file:
        file.write(pixels[: profile["count"], : profile["height"], : profile["width"]].astype(profile["dtype"]))


def replace(path: Path, key: str, change: object) -> None:
    with h5py.File(path, "r+") as file:
        values = change(file[key][()])
        del file[key]
        file[key] = values


def remove(path: Path, key: str) -> None:
    with h5py.File(path, "r+") as file:
        del file[key]


AERIAL = {
    "absent": (Path.unlink, "No such file"),
    "truncated": (truncate, "cannot be read"),
    "not an image": (lambda path: path.write_text("no image"), "cannot be read"),
    "three bands": (lambda path: rewrite(path, count=3), "bands: expected 4, found 3"),
    "wrong size": (lambda path: rewrite(path, height=300), "size: expected (304, 304), found (300, 304)"),
    "wrong dtype": (lambda path: rewrite(path, dtype="uint16"), "dtype: expected uint8, found uint16"),
}

SENTINEL = {
    "absent": (Path.unlink, "No such file"),
    "truncated": (truncate, "truncated file"),
    "empty": (lambda path: path.write_bytes(b""), "cannot be read"),
    "no masks": (lambda path: remove(path, "sen-2-masks"), "'sen-2-masks' doesn't exist"),
    "no products": (lambda path: remove(path, "sen-1-asc-products"), "'sen-1-asc-products' doesn't exist"),
    "S2 bands": (
        lambda path: replace(path, "sen-2-data", lambda data: data[:, :9]),
        "sen-2-data: expected shape any × 10 × 6 × 6, found",
    ),
    "S1 bands": (
        lambda path: replace(path, "sen-1-des-data", lambda data: data[:, :1]),
        "sen-1-des-data: expected shape any × 2 × 6 × 6, found",
    ),
    "S1 dtype": (
        lambda path: replace(path, "sen-1-asc-data", np.float64),
        "sen-1-asc-data: dtype: expected float32, found float64",
    ),
    "mask size": (
        lambda path: replace(path, "sen-2-masks", lambda masks: masks[..., :5]),
        "sen-2-masks: expected shape",
    ),
    "text for numbers": (
        lambda path: replace(path, "sen-2-data", lambda data: np.full(data.shape, b"x")),
        "sen-2-data: expected numbers",
    ),
    "a date less": (
        lambda path: replace(path, "sen-2-products", lambda names: names[1:]),
        "sen-2-products: dates: expected",
    ),
    "names without dates": (
        lambda path: replace(path, "sen-2-products", lambda names: np.array(["S2A"] * len(names), object)),
        "found 'S2A'",
    ),
    "no such day": (
        lambda path: replace(path, "sen-1-asc-products", lambda names: [b"S1A_A_B_C_20190230T1_D_E_F_G"] * len(names)),
        "product 'S1A_A_B_C_20190230T1_D_E_F_G': day is out of range",
    ),
    "all S2 values damaged": (
        lambda path: replace(path, "sen-2-data", lambda data: data + 0.5),
        "expected dates with whole numbers 0 to 65535",
    ),
}

CASES = [("aerial", "aerial_name", *case) for case in AERIAL.values()]
CASES += [("sentinel-ts", "sen_name", *case) for case in SENTINEL.values()]
IDS = [f"aerial {name}" for name in AERIAL] + [f"sentinel {name}" for name in SENTINEL]


@pytest.mark.parametrize(("folder", "column", "damage", "message"), CASES, ids=IDS)
def test_a_damaged_tile_is_named_and_skipped(raw, prepare, tmp_path, folder, column, damage, message):
    row = rows(raw)[5]
    path = raw / folder / row[column]
    damage(path)
    code, printed = prepare(raw)
    assert code == 0, printed
    line = next(line for line in printed.splitlines() if "skipped " + Path(row["aerial_name"]).stem in line)
    assert str(path) in line
    assert message in line
    assert "train: 11 tiles kept, 1 skipped" in printed
    assert Path(row["aerial_name"]).stem not in records(tmp_path / "out")


def test_strict_stops_at_a_damaged_tile(raw, prepare, tmp_path):
    path = raw / "aerial" / rows(raw)[5]["aerial_name"]
    truncate(path)
    code, printed = prepare(raw, "--strict")
    assert code == 1
    assert f"error: {path.stem}: {path}" in printed
    assert not (tmp_path / "out").exists()


def test_strict_stops_in_worker_processes_too(raw, prepare, tmp_path):
    path = raw / "aerial" / rows(raw)[5]["aerial_name"]
    truncate(path)
    code, printed = prepare(raw, "--strict", "--processes=2")
    assert code == 1
    assert f"error: {path.stem}: {path}" in printed
    assert not (tmp_path / "out").exists()


def test_a_shard_whose_tiles_are_all_damaged_is_empty(raw, prepare, tmp_path):
    for row in rows(raw, "val")[1:]:
        (raw / "aerial" / row["aerial_name"]).unlink()
    code, printed = prepare(raw, "--num_shards=3")
    assert code == 0, printed
    assert "val: 1 tiles kept, 2 skipped" in printed
    assert list(records(tmp_path / "out", "val")) == [Path(rows(raw, "val")[0]["aerial_name"]).stem]


def test_nothing_readable_is_an_error_and_leaves_nothing(raw, prepare, tmp_path):
    for path in (raw / "aerial").iterdir():
        path.unlink()
    code, printed = prepare(raw)
    assert code == 1
    assert "no tile of split train, val, test could be read" in printed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Betula", "Birch", "expected the columns aerial_name,"),
        ("Betula,Cleared", "Cleared,Betula", "found aerial_name,sen_name,aerial_date,Cleared,Betula"),
        (",Populus", "", "line 2: expected 17 values, found 18"),
        ("aerial_date", "date", "expected the columns"),
    ],
)
def test_other_csv_columns_are_refused(raw, prepare, tmp_path, old, new, message):
    path = raw / "val.csv"
    path.write_text(path.read_text().replace(old, new, 1))
    code, printed = prepare(raw)
    assert code == 1
    assert f"error: {path}: " in printed
    assert message in printed
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["raw"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda line: line + ",0.1", "line 2: expected 18 values, found 19"),
        (lambda line: line.rpartition(",")[0] + ",much", "line 2: could not convert string to float: 'much'"),
        (lambda line: line.rpartition(",")[0] + ",1.5", "Populus: expected a proportion in [0, 1], found 1.5"),
        (lambda line: line.rpartition(",")[0] + ",nan", "Populus: expected a proportion in [0, 1], found nan"),
        (lambda line: line.replace("0701,", "0732,"), "line 2: "),
    ],
)
def test_damaged_csv_lines_are_refused(raw, prepare, change, message):
    path = raw / "test.csv"
    header, line, *rest = path.read_text().splitlines()
    path.write_text("\n".join([header, change(line), *rest]))
    code, printed = prepare(raw)
    assert code == 1
    assert f"error: {path}: " in printed
    assert message in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (Path.unlink, "not found; published in Hugging Face, IGNF/MAESTRO_FLAIR-HUB_base/dataset_splits/TreeSatAI-TS"),
        (lambda path: path.write_text(""), "expected at least one tile, found none"),
        (lambda path: path.write_text(path.read_text().splitlines()[0]), "expected at least one tile, found none"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "cannot be read"),
    ],
)
def test_absent_or_empty_splits_are_refused(raw, prepare, damage, message):
    damage(raw / "train.csv")
    code, printed = prepare(raw)
    assert code == 1
    assert f"error: {raw / 'train.csv'}: " in printed
    assert message in printed

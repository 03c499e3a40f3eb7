"""Damaged files and wrong tables of S2-NAIP are named; most cost the tile, some stop."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio

from data_prep.__main__ import main
from data_prep.errors import TileError
from tests.data_prep.datasets.s2_naip_urban.tiles import LAYOUTS, read, source

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def rewrite(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    with rasterio.open(path) as file:
        pixels, driver = change(file.read()), file.driver
    profile = {"count": len(pixels), "height": pixels.shape[1], "width": pixels.shape[2], "dtype": pixels.dtype}
    with rasterio.open(path, "w", driver, **profile) as file:
        file.write(pixels)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


DAMAGES = {
    "absent aerial": ("naip/{}.png", Path.unlink, "not found"),
    "truncated aerial": ("naip/{}.png", truncate, "cannot be read"),
    "aerial without NIR": (
        "naip/{}.png",
        lambda path: rewrite(path, lambda a: a[:3]),
        "expected R, G, B, NIR of each image, found 3 bands",
    ),
    "small aerial": ("naip/{}.png", lambda path: rewrite(path, lambda a: a[:, :256]), "size: expected (512, 512)"),
    "truncated s2": ("sentinel2/{}_8.tif", truncate, "cannot be read"),
    "no 20 m bands": ("sentinel2/{}_16.tif", Path.unlink, "not found, though other bands of it are there"),
    "a band less": (
        "sentinel2/{}_16.tif",
        lambda path: rewrite(path, lambda a: a[:-1]),
        "expected B05, B06, B07, B11, B12, B8A of each image",
    ),
    "an image less": (
        "sentinel2/{}_16.tif",
        lambda path: rewrite(path, lambda a: a[:-6]),
        "images: expected 24, found 23",
    ),
    "s2 dtype": (
        "sentinel2/{}_8.tif",
        lambda path: rewrite(path, lambda a: a.astype("float32")),
        "dtype: expected uint16, found float32",
    ),
    "truncated s1": ("sentinel1/{}.tif", truncate, "cannot be read"),
    "empty s1": ("sentinel1/{}.tif", lambda path: path.write_bytes(b""), "cannot be read"),
}


@pytest.mark.parametrize(("file", "damage", "message"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_named(damaged, file, damage, message):
    tile = source().list_tiles(damaged)["train"][0].name
    path = damaged / file.format(tile)
    damage(path)
    with pytest.raises(TileError) as error:
        read(damaged)
    assert message in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def edit_table(path: Path, tile: str, change: Callable[[list[str]], list[str]]) -> None:
    """Changes a table's lines of one tile."""
    prefix = "EPSG:" + tile.replace("_", ",") + ","
    lines = path.read_text().splitlines()
    mine = change([line for line in lines if line.startswith(prefix)])
    path.write_text("\n".join([line for line in lines if not line.startswith(prefix)] + mine) + "\n")


TABLES = {
    "no lines": (lambda lines: [], "sentinel2.csv: expected lines for {}, found none"),
    "no date": (lambda lines: [lines[0].rpartition(",")[0] + ",S2A", *lines[1:]], "sentinel2.csv: {}: expected a pro"),
    "no such day": (
        lambda lines: [line.replace("L1C_20", "L1C_3013").replace("L1C_3013", "L1C_0000", 1) for line in lines],
        "sentinel2.csv: {}: product",
    ),
    "a gap": (lambda lines: lines[:3] + lines[4:], "sentinel2.csv: {}: expected images numbered without gaps"),
    "contradiction": (
        lambda lines: [*lines, lines[0].replace("L1C_20", "L1C_19")],
        "sentinel2.csv: {}: expected one scene for image 0",
    ),
    "a line less": (lambda lines: lines[:-1], "images: expected 23, found 24"),
}


@pytest.mark.parametrize(("change", "message"), TABLES.values(), ids=TABLES)
def test_a_wrong_table_costs_the_tile(damaged, change, message):
    tile = source().list_tiles(damaged)["train"][0].name
    edit_table(damaged / "sentinel2.csv", tile, change)
    with pytest.raises(TileError) as error:
        read(damaged)
    assert message.format(tile) in str(error.value)
    read(damaged, 1)


def test_repeated_lines_and_any_order_of_lines_are_read(raw, damaged):
    tile = source().list_tiles(damaged)["train"][0].name
    edit_table(damaged / "sentinel2.csv", tile, lambda lines: [lines[2], *lines[::-1], lines[0]])
    np.testing.assert_array_equal(read(damaged)[0]["s2"]["dates"], read(raw["published"])[0]["s2"]["dates"])


def test_images_without_any_observation_are_dropped_and_counted(damaged):
    tile = source().list_tiles(damaged)["train"][0].name
    before, _ = read(damaged)
    for ending, bands in (("_8.tif", 4), ("_16.tif", 6)):
        rewrite(
            damaged / "sentinel2" / f"{tile}{ending}",
            lambda a, bands=bands: np.where(np.arange(len(a))[:, None, None] < 2 * bands, 0, a).astype(a.dtype),
        )
    rewrite(damaged / "sentinel1" / f"{tile}.tif", lambda a: np.where(np.arange(len(a))[:, None, None] < 2, np.nan, a))
    after, dropped = read(damaged)
    assert dropped == 3
    assert len(after["s2"]["dates"]) == len(before["s2"]["dates"]) - 2
    assert len(after["s1"]["dates"]) == len(after["s1"]["pixels"]) == len(before["s1"]["dates"]) - 1


@pytest.mark.parametrize("scene", ["m_3808553_ne_12_060_20190607", "m_3808553_ne_12_060_20190607_20190907"])
def test_naip_scenes_with_and_without_processing_day(damaged, scene):
    tile = source().list_tiles(damaged)["train"][0].name
    edit_table(damaged / "naip.csv", tile, lambda lines: [lines[0].rpartition(",")[0] + f",{scene}"])
    np.testing.assert_array_equal(read(damaged)[0]["ref_date"], [2019, 158, 0])


def test_a_one_line_date_file_is_one_date(raw, tmp_path):
    stacked = Path(shutil.copytree(raw["stacked"], tmp_path / "raw"))
    tile = source().list_tiles(stacked)["train"][0].name
    path = stacked / "dates" / "s1" / f"{tile}.txt"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    rewrite(stacked / "sentinel1" / f"{tile}.tif", lambda a: a[:2])
    assert read(stacked)[0]["s1"]["pixels"].shape == (1, 2, 64, 64)
    path.unlink()
    with pytest.raises(TileError, match=f"{path}: cannot be read"):
        read(stacked)


def test_a_damaged_archive_is_named(raw, tmp_path):
    folder = Path(shutil.copytree(raw["archives"], tmp_path / "raw"))
    archive = next((folder / "sentinel2_32612").glob("*_29_*.tar"))
    truncate(archive)
    with pytest.raises(TileError, match=f"{archive}.* cannot be read"):
        [read(folder, number) for number in range(5)]


FATAL = {
    "no split": (
        lambda raw: (raw / "val.csv").unlink(),
        "IGNF/MAESTRO_FLAIR-HUB_base/dataset_splits/s2-naip-urban, or pr",
    ),
    "no names": (lambda raw: (raw / "val.csv").write_text("id\nx\n"), "val.csv: expected a column name, found id"),
    "a tile twice": (
        lambda raw: (raw / "val.csv").write_text("name\na\na\n"),
        "val.csv: name: a: expected once, found in line 2 and in line 3",
    ),
    "no table": (lambda raw: (raw / "sentinel1.csv").unlink(), "sentinel1.csv: not found; the dates of sentinel1"),
    "no column": (
        lambda raw: (raw / "naip.csv").write_text("projection,col,row\n"),
        "naip.csv: expected a column naip_scene, found projection, col, row",
    ),
    "a short line": (
        lambda raw: (raw / "naip.csv").write_text("projection,col,row,naip_scene\nEPSG:1,2\n"),
        "naip.csv: line 2: expected 4 values, found 2",
    ),
    "a column twice": (
        lambda raw: (raw / "naip.csv").write_text("projection,col,row,naip_scene,col\nEPSG:1,2,3,x,4\n"),
        "naip.csv: column col: expected once, found in column 2 and in column 5",
    ),
}


@pytest.mark.parametrize(("damage", "message"), FATAL.values(), ids=FATAL)
def test_what_concerns_all_tiles_stops(damaged, tmp_path, capsys, damage, message):
    damage(damaged)
    assert main(["s2_naip_urban", f"--raw_dir={damaged}", f"--out_dir={tmp_path / 'out'}"]) == 1
    printed = capsys.readouterr().err
    assert message in printed
    assert "Traceback" not in printed
    assert not (tmp_path / "out").exists()


def test_a_damaged_tile_is_skipped_and_reported(damaged, tmp_path, capsys):
    tile = source().list_tiles(damaged)["train"][0].name
    truncate(damaged / "naip" / f"{tile}.png")
    assert main(["s2_naip_urban", f"--raw_dir={damaged}", f"--out_dir={tmp_path / 'out'}"]) == 0
    printed = capsys.readouterr()
    assert f"skipped {tile}: {damaged / 'naip' / tile}.png: cannot be read" in printed.err
    assert "train: 4 tiles kept, 1 skipped" in printed.out
    assert "test: 1 tiles kept, 0 skipped, 1 without s1" in printed.out


def test_all_downloaded_tiles_can_be_training_tiles(raw):
    for layout in LAYOUTS:
        tiles = source("--split=all").list_tiles(raw[layout])
        assert list(tiles) == ["train"]
        expected = [tile.name for split in source().list_tiles(raw[layout]).values() for tile in split]
        assert sorted(tile.name for tile in tiles["train"]) == sorted(expected)

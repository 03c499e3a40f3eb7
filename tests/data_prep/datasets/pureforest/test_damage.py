"""Damaged, absent and unknown PureForest files are named; some cost the patch, some the height model, some stop."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import laspy
import numpy as np
import pytest
import rasterio
from laspy.vlrs.known import WktCoordinateSystemVlr
from rasterio.crs import CRS

from data_prep.__main__ import main
from data_prep.datasets.pureforest import read as pureforest
from data_prep.datasets.pureforest.contract import CONTRACT
from data_prep.datasets.pureforest.height_model import GROUND
from data_prep.errors import DataPrepError, TileError
from tests.data_prep.datasets.pureforest.patches import first, read


def rewrite(path: Path, change: Callable[[np.ndarray], np.ndarray], descriptions: tuple[str, ...] = ()) -> None:
    with rasterio.open(path) as file:
        pixels, profile = change(file.read()), file.profile
    profile |= {"count": len(pixels), "height": pixels.shape[1], "dtype": pixels.dtype}
    with rasterio.open(path, "w", **profile) as file:
        file.write(pixels)
        if descriptions:
            file.descriptions = descriptions


def rewrite_cloud(path: Path, change: Callable[[laspy.LasData], object]) -> None:
    las = laspy.read(path)
    change(las)
    las.write(path)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def lift(las: laspy.LasData) -> None:
    las.z = np.asarray(las.z) * (np.arange(len(las)) % 2) * 100


def move(las: laspy.LasData) -> None:
    las.x = np.asarray(las.x) + 500


def move_by_half(las: laspy.LasData) -> None:
    las.x = np.asarray(las.x) + 25


def state_zone(las: laspy.LasData) -> None:
    las.header.vlrs.append(WktCoordinateSystemVlr(CRS.from_epsg(32631).to_wkt()))


DAMAGES = {
    "absent image": ("imagery/train/{}.tiff", Path.unlink, "No such file"),
    "truncated image": ("imagery/train/{}.tiff", truncate, "cannot be read"),
    "three bands": ("imagery/train/{}.tiff", lambda p: rewrite(p, lambda a: a[:3]), "bands: expected 4, found 3"),
    "small": ("imagery/train/{}.tiff", lambda p: rewrite(p, lambda a: a[:, :249]), "size: expected (250, 250)"),
    "dtype": (
        "imagery/train/{}.tiff",
        lambda p: rewrite(p, lambda a: a.astype("uint16")),
        "dtype: expected uint8, found uint16",
    ),
    "other order": (
        "imagery/train/{}.tiff",
        lambda p: rewrite(p, lambda a: a, ("Red", "Green", "Blue", "Infrared")),
        "band names: expected NIR, R, G, B, found Red,",
    ),
    "truncated cloud": ("lidar/train/{}.laz", truncate, "cannot be read"),
    "cloud cut in its header": ("lidar/train/{}.laz", lambda p: os.truncate(p, 300), "cannot be read"),
    "empty cloud": ("lidar/train/{}.laz", lambda p: p.write_bytes(b""), "cannot be read"),
    "no cloud": ("lidar/train/{}.laz", lambda p: p.write_text("no points"), "cannot be read"),
    "another place": ("lidar/train/{}.laz", lambda p: rewrite_cloud(p, move), "expected points east of"),
    "half a patch off": (
        "lidar/train/{}.laz",
        lambda p: rewrite_cloud(p, move_by_half),
        "points on the image, found 49% of them beside",
    ),
    "another zone": (
        "lidar/train/{}.laz",
        lambda p: rewrite_cloud(p, state_zone),
        "coordinate system, as in the image: expected EPSG:2154, found EPSG:32631",
    ),
    "too high": (
        "lidar/train/{}.laz",
        lambda p: rewrite_cloud(p, lift),
        "expected heights that differ by at most 655 m",
    ),
}


@pytest.mark.parametrize(("file", "damage", "message"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_is_named(raw, file, damage, message):
    tile = first(raw)
    path = raw / file.format(tile.name)
    damage(path)
    with pytest.raises(TileError) as error:
        pureforest.read_tile(raw, tile)
    assert message in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_cloud_without_ground_is_a_missing_height_model(raw):
    tile = first(raw)

    def bury(las: laspy.LasData) -> None:
        las.classification[np.asarray(las.classification) == GROUND] = 1

    rewrite_cloud(raw / "lidar" / "train" / f"{tile.name}.laz", bury)
    assert read(raw)["height"]["pixels"].shape == (0, 2, 100, 100)


def test_damaged_patches_are_skipped_and_missing_clouds_counted(raw, tmp_path, capsys):
    names = [tile.name for tile in pureforest.list_tiles(raw)["train"]]
    with_cloud = [name for name in names if (raw / "lidar" / "train" / f"{name}.laz").exists()]
    truncate(raw / "imagery" / "train" / f"{with_cloud[0]}.tiff")
    shutil.rmtree(raw / "lidar" / "val")
    (raw / "imagery" / "train" / "TRAIN-Unnamed.tiff").write_bytes(b"")
    assert main(["pureforest", f"--raw_dir={raw}", f"--out_dir={tmp_path / 'out'}"]) == 0
    printed = capsys.readouterr()
    assert f"skipped {with_cloud[0]}: {raw / 'imagery' / 'train' / with_cloud[0]}.tiff: cannot be read" in printed.err
    assert "skipped TRAIN-Unnamed: TRAIN-Unnamed: expected a name SPLIT-Species-Cclass-forest_a_b" in printed.err
    assert "train: 4 tiles kept, 2 skipped, 1 without height" in printed.out
    assert "val: 1 tiles kept, 0 skipped, 1 without height" in printed.out


def test_splits_without_the_table_are_the_folders(raw):
    with_table = pureforest.list_tiles(raw)
    shutil.rmtree(raw / "metadata")
    assert pureforest.list_tiles(raw) == with_table


def test_an_image_of_another_split_than_its_folder_stops(raw):
    shutil.rmtree(raw / "metadata")
    image = next((raw / "imagery" / "train").iterdir())
    image.rename(raw / "imagery" / "test" / image.name)
    with pytest.raises(DataPrepError, match=r"imagery/test/TRAIN-.*: expected an image of TEST .*, found TRAIN"):
        pureforest.list_tiles(raw)


def test_a_part_of_the_dataset_can_be_prepared(raw, capsys):
    shutil.rmtree(raw / "imagery" / "test")
    assert list(pureforest.list_tiles(raw)) == ["train", "val"]
    assert "6 of the 7 patches listed are in imagery/" in capsys.readouterr().err


FATAL = {
    "no images": (
        lambda raw: shutil.rmtree(raw / "imagery"),
        "imagery: expected images {train,val,test}/*.tiff, found no",
    ),
    "another split": (
        lambda table: table.replace(",train,", ",val,", 1),
        "split: expected train as in the file's name, f",
    ),
    "another class": (lambda table: table.rstrip()[:-1] + "x\n", "class_index: expected"),
    "a line less": (lambda table: table.rpartition("\n")[0].rpartition("\n")[0] + "\n", "expected a line for"),
    "no column": (lambda table: table.replace("split", "part", 1), "expected a column split"),
}


@pytest.mark.parametrize(("damage", "message"), FATAL.values(), ids=FATAL)
def test_what_concerns_all_patches_stops(raw, damage, message):
    table = raw / "metadata" / "PureForest-patches.csv"
    if message.startswith("imagery"):
        damage(raw)
    else:
        table.write_text(damage(table.read_text()))
    with pytest.raises(DataPrepError) as error:
        pureforest.list_tiles(raw)
    assert message in str(error.value)


def test_an_unknown_species_keeps_its_class(raw):
    tile = first(raw)
    shutil.rmtree(raw / "metadata")
    other = tile.name.replace(tile.parts["species"], "Quercus_cerris")
    for path in raw.rglob(f"{tile.name}.*"):
        path.rename(path.with_name(path.name.replace(tile.name, other)))
    record = next(
        pureforest.read_tile(raw, member)[0]
        for member in pureforest.list_tiles(raw)["train"]
        if "cerris" in member.name
    )
    assert record["species"] == CONTRACT.targets["species"].missing_value
    assert record["tree_class"] == int(tile.parts["index"])

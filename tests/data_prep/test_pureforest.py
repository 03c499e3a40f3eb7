"""PureForest: images and classes as published, height models as a slow reading of the point clouds makes them."""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import laspy
import numpy as np
import pytest
import rasterio

from configs.pureforest import get_config
from data_prep.__main__ import main
from data_prep.datasets.pureforest import read as pureforest
from data_prep.datasets.pureforest.contract import CLASSES, CONTRACT, SPECIES
from data_prep.datasets.pureforest.height_model import GROUND, NOISE, Points, Square, surface_and_terrain
from data_prep.errors import DataPrepError, TileError
from mmae_jax import config
from mmae_jax.contract import read_contract
from mmae_jax.data import sample
from mmae_jax.data.shards import open_shards
from tests.data_prep.conftest import records

SPLITS = ("train", "val", "test")
SAMPLES = Path(__file__).parents[3] / "shared" / "samples" / "pureforest" / "standin_format_tile"


def data_prep(*arguments: str) -> None:
    assert main(arguments) == 0


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """7 patches: 5 train, the last without a point cloud; 1 val; 1 test."""
    directory = tmp_path_factory.mktemp("pureforest") / "raw"
    data_prep("synthetic", "pureforest", f"--out_dir={directory}", "--tiles=7")
    return directory


@pytest.fixture(scope="module")
def shards(made_up: Path) -> Path:
    directory = made_up.with_name("shards")
    data_prep("pureforest", f"--raw_dir={made_up}", f"--out_dir={directory}")
    return directory


@pytest.fixture
def raw(made_up: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made_up, tmp_path / "raw"))


@pytest.fixture(params=["made_up", "stand_in"])
def published(request: pytest.FixtureRequest) -> Path:
    if request.param == "made_up":
        return request.getfixturevalue("made_up")
    if not SAMPLES.is_dir():
        pytest.skip("the real lidar tile is not here")
    return SAMPLES


def first(raw_dir: Path) -> pureforest.Tile:
    """The first patch of train that has a point cloud."""
    tiles = pureforest.list_tiles(raw_dir)["train"]
    return next(tile for tile in tiles if (raw_dir / "lidar" / "train" / f"{tile.name}.laz").exists())


def read(raw_dir: Path) -> dict:
    return pureforest.read_tile(raw_dir, first(raw_dir))[0]


def heights_of(record: dict) -> np.ndarray:
    return record["height"]["base"] + 0.01 * record["height"]["pixels"].astype(float)


def slow_height_model(points: Points, square: Square) -> np.ndarray:
    """One point, then one cell after the other; NaN where several nearest cells would do."""
    highest, ground = {}, {}
    for x, y, z, kind in zip(points.x, points.y, points.z, points.classes, strict=True):
        row = min(int((square.north - y) / square.cell + 1e-9), square.side - 1)
        column = min(int((x - square.west) / square.cell + 1e-9), square.side - 1)
        if kind in NOISE:
            continue
        highest[row, column] = max(z, highest.get((row, column), -np.inf))
        if kind == GROUND:
            ground.setdefault((row, column), []).append(z)
    terrain = {cell: sum(values) / len(values) for cell, values in ground.items()}
    slopes = np.linalg.lstsq([[*cell, 1] for cell in terrain], list(terrain.values()), rcond=None)[0]
    model = np.full((2, square.side, square.side), np.nan)
    for row in range(square.side):
        for column in range(square.side):
            residuals = {cell: z - slopes @ [*cell, 1] for cell, z in terrain.items()}
            bare = nearest(residuals, row, column) + slopes @ [row, column, 1]
            model[:, row, column] = np.maximum(nearest(highest, row, column), bare), bare
    return model


def nearest(values: dict[tuple[int, int], float], row: int, column: int) -> float:
    if (row, column) in values:
        return values[row, column]
    distances = {cell: (cell[0] - row) ** 2 + (cell[1] - column) ** 2 for cell in values}
    closest = [cell for cell, distance in distances.items() if distance == min(distances.values())]
    return values[closest[0]] if len(closest) == 1 else np.nan


def cloud(seed: int, number: int, square: Square) -> Points:
    rng = np.random.default_rng(seed)
    down, right = rng.uniform(0, square.side * square.cell, (2, number))
    return Points(square.west + right, square.north - down, rng.uniform(90, 130, number), rng.choice([1, 2, 5], number))


@pytest.mark.parametrize(("seed", "number"), [(0, 15), (1, 30), (2, 200)])
def test_few_points_give_the_model_of_a_slow_reading(seed, number):
    square = Square(700_000.0, 6_600_000.0, 0.5, 10)
    points = cloud(seed, number, square)
    expected = slow_height_model(points, square)
    found = surface_and_terrain(points, square)
    known = np.isfinite(expected)
    assert known.mean() > 0.4
    np.testing.assert_allclose(found[known], expected[known], atol=1e-6)
    assert np.isfinite(found).all()
    assert (found[0] >= found[1]).all()


def test_gaps_in_a_slope_continue_it():
    square = Square(0.0, 50.0, 0.5, 100)
    points = cloud(0, 40, square)
    slope = Points(points.x, points.y, 100 + 0.3 * points.x - 0.2 * points.y, np.full(40, GROUND))
    rows, columns = np.indices((100, 100)) * 0.5 + 0.25
    error = surface_and_terrain(slope, square)[1] - (100 + 0.3 * columns - 0.2 * (50 - rows))
    assert np.abs(error).max() < 0.25  # where in its cell a point lies; the slope falls by 25 m


def test_points_on_the_edges_belong_to_the_square_and_others_do_not():
    square = Square(0.0, 1.0, 0.5, 2)
    x, y = np.array([0.0, 1.0, 0.0, 1.0, 1.1, 0.2]), np.array([0.0, 0.0, 1.0, 1.0, 0.5, -0.1])
    model = surface_and_terrain(Points(x, y, np.arange(6.0), np.full(6, GROUND)), square)
    np.testing.assert_array_equal(model[1], [[2, 3], [0, 1]])
    with pytest.raises(ValueError, match="expected points east of 500 and south of 1, found them around 1, 0"):
        surface_and_terrain(Points(x, y, x, np.full(6, GROUND)), Square(500.0, 1.0, 0.5, 2))


def test_without_ground_there_is_no_model():
    square = Square(0.0, 1.0, 0.5, 2)
    above = np.array([0.5])
    assert surface_and_terrain(Points(above, above, above, np.array([5])), square) is None
    assert surface_and_terrain(Points(*[np.empty(0)] * 4), square) is None


def test_stored_heights_are_those_of_the_points_to_a_centimetre(published):
    record = read(published)
    tile = first(published)
    las = laspy.read(published / "lidar" / "train" / f"{tile.name}.laz")
    square = Square(record["transform"][2], record["transform"][5], 0.5, 100)
    classes = np.asarray(las.classification)
    points = Points(*(np.asarray(part, float) for part in (las.x, las.y, las.z)), classes)
    heights = heights_of(record)[0]
    highest = np.full((100, 100), -np.inf)
    for x, y, z, kind in zip(points.x, points.y, points.z, classes, strict=True):
        if kind not in NOISE:
            cell = min(int((square.north - y) * 2 + 1e-6), 99), min(int((x - square.west) * 2 + 1e-6), 99)
            highest[cell] = max(z, highest[cell])
    seen = np.isfinite(highest)
    assert (np.abs(heights[0][seen] - highest[seen]) < 0.00501).mean() > 0.95  # else: the ground around is higher
    assert (heights[0][seen] - highest[seen] > -0.00501).all()
    assert (np.abs(heights[1]) < heights[0].max() + 1).all()
    ground = points[classes == GROUND]
    assert ground.z.min() - 0.01 <= np.median(heights[1]) <= ground.z.max() + 0.01
    assert record["height"]["pixels"].dtype == np.uint16


def test_images_classes_and_places_are_the_published_ones(made_up, shards):
    with (made_up / "metadata" / "PureForest-patches.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for split in SPLITS:
        prepared = records(shards, split)
        listed = [row for row in rows if row["split"] == split]
        assert sorted(prepared) == sorted(row["patch_id"] for row in listed)
        for row in listed:
            record = prepared[row["patch_id"]]
            assert record["tree_class"] == int(row["class_index"])
            assert tuple(SPECIES)[record["species"]].replace("_", " ") == row["name_latin"]
            with rasterio.open(made_up / "imagery" / split / f"{split.upper()}-{row['patch_id']}.tiff") as file:
                np.testing.assert_array_equal(record["aerial"]["pixels"], file.read()[None])
                np.testing.assert_array_equal(record["transform"], file.transform[:6])
                assert rasterio.crs.CRS.from_wkt(record["crs"].decode()) == file.crs
            np.testing.assert_array_equal(record["ref_date"], [2020, 183, 0])


def test_the_contract_is_complete():
    assert list(CLASSES)[:3] == ["Deciduous oak", "Evergreen oak", "Beech"]
    assert len(CLASSES) == len(set(CLASSES.values())) == 13
    assert len(SPECIES) == len(set(SPECIES.values())) == 18
    assert CONTRACT.modalities["height"].quantum == 0.01


def test_samples_hold_heights_with_their_base(shards):
    fields = get_config()
    fields.data.dir = str(shards)
    experiment = config.experiment_from_config(fields)
    assert read_contract(shards) == CONTRACT
    tiles = open_shards(experiment).source(("train",))
    without = 0
    for index in range(len(tiles)):
        result = sample.eval_sample(experiment, tiles[index], 0)
        assert result["inputs"]["height"].shape == (1, 2, 100, 100)
        without += not result["valid"]["height"].any()
        if result["valid"]["height"].any():
            metres = result["base"]["height"] + 0.01 * result["inputs"]["height"].astype(float)
            assert 0 < metres.min() < metres.max() < 2000
    assert without == 1


def test_made_up_bytes_depend_on_the_seed_only(made_up, tmp_path):
    data_prep("synthetic", "pureforest", f"--out_dir={tmp_path / 'again'}", "--tiles=7")

    def digests(folder: Path) -> list[tuple[str, str]]:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return [(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]

    assert digests(tmp_path / "again") == digests(made_up)


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
        "band descriptions: expected ('Infrared', 'Red', 'Green', 'Blue'), found ('Red',",
    ),
    "truncated cloud": ("lidar/train/{}.laz", truncate, "cannot be read"),
    "cloud cut in its header": ("lidar/train/{}.laz", lambda p: os.truncate(p, 300), "cannot be read"),
    "empty cloud": ("lidar/train/{}.laz", lambda p: p.write_bytes(b""), "cannot be read"),
    "no cloud": ("lidar/train/{}.laz", lambda p: p.write_text("no points"), "cannot be read"),
    "another place": ("lidar/train/{}.laz", lambda p: rewrite_cloud(p, move), "expected points east of"),
    "too high": ("lidar/train/{}.laz", lambda p: rewrite_cloud(p, lift), "expected a relief of at most 655 m"),
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

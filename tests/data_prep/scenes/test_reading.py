"""Squares of a scene: exact where grids coincide, resampled without mixing in what is missing, mosaics, half images."""

import dataclasses
import multiprocessing
import pickle

import numpy as np
import pytest
import rasterio
import rasterio.warp
from rasterio.enums import Resampling

from data_prep.scenes import open_scene
from mmae_jax.data.records import DataError
from mmae_jax.data.sample import eval_sample
from tests.data_prep.scenes.scenery import AERIAL, CRS, LEFT, S1, S2, TOP, describe, experiment, values, write

BOTH = "sensors={'aerial': Images('aerial/*.tif', date='2018-07-01'), 's2': Images('s2/{date}*.tif')}"


@pytest.fixture
def folder(tmp_path):
    """An aerial image of 60 × 40 m in two files, and three dates of Sentinel-2 that coincide with its cells."""
    write(tmp_path / "aerial/a.tif", values(2, 40, 30, seed=1), 1.0)
    write(tmp_path / "aerial/b.tif", values(2, 40, 30, seed=2), 1.0, left=LEFT + 30)
    for number, date in enumerate(("20180301", "20180601", "20180901")):
        write(
            tmp_path / f"s2/{date}.tif", values(2, 8, 8, seed=number, dtype="uint16", high=9000), 10.0, left=LEFT - 20
        )
    return tmp_path


def test_frame_is_that_of_the_reference(folder):
    frame = open_scene(describe(folder, BOTH), experiment()).frame
    assert (frame.left, frame.top, frame.width, frame.height, frame.cell) == (LEFT, TOP, 60, 40, 10)
    assert frame.cells == (4, 6)
    assert rasterio.crs.CRS.from_wkt(frame.crs) == rasterio.crs.CRS.from_string(CRS)


def test_pixels_of_one_grid_are_the_same_bit_for_bit(folder):
    scene = open_scene(describe(folder, BOTH), experiment())
    record = scene.read((1, 2), 2)
    whole = np.concatenate([values(2, 40, 30, seed=1), values(2, 40, 30, seed=2)], axis=2)
    np.testing.assert_array_equal(record["aerial"]["pixels"], whole[None, :, 10:30, 20:40])
    expected = [values(2, 8, 8, seed=n, dtype="uint16", high=9000)[:, 1:3, 4:6] for n in range(3)]
    np.testing.assert_array_equal(record["s2"]["pixels"], expected)
    assert record["s2"]["pixels"].dtype == np.uint16
    assert record["s2"]["dates"].tolist() == [[2018, 60, 0], [2018, 152, 0], [2018, 244, 0]]
    assert record["ref_date"].tolist() == [2018, 182, 0]


def test_files_tell_what_changed(folder):
    path = describe(folder, BOTH)
    before = list(open_scene(path, experiment()).files)
    assert before == open_scene(path, experiment()).files
    assert len(before) == 1 + 5
    write(folder / "s2/20180301.tif", values(2, 9, 8, dtype="uint16"), 10.0)
    changed = list(open_scene(path, experiment()).files)
    assert [new.split()[0] for old, new in zip(before, changed, strict=True) if old != new] == ["s2/20180301.tif"]
    described = open_scene(describe(folder, BOTH.replace("2018-07-01", "2018-07-02")), experiment()).files
    assert described[0] != before[0]
    assert described[1:] == changed[1:]


def test_a_part_of_a_scene(folder):
    text = f"{BOTH}, region=({LEFT + 11}, {TOP - 39}, {LEFT + 1000}, {TOP - 5})"
    scene = open_scene(describe(folder, text), experiment())
    assert (scene.frame.left, scene.frame.top, scene.frame.cells) == (LEFT + 10, TOP, (4, 5))
    whole = open_scene(describe(folder, BOTH), experiment())
    for name in ("aerial", "s2"):
        np.testing.assert_array_equal(scene.read((1, 1), 2)[name]["pixels"], whole.read((1, 2), 2)[name]["pixels"])


def test_a_square_is_what_evaluation_takes(folder):
    tried = experiment()
    scene = open_scene(describe(folder, BOTH), tried)

    class Square:
        def read(self, start, cells):
            return scene.read((1 + start[0], start[1]), cells)

    sample = eval_sample(dataclasses.replace(tried, targets=()), Square(), 0)
    assert sample["inputs"]["aerial"].shape == (1, 2, 20, 20)
    assert sample["inputs"]["s2"].shape == (2, 2, 2, 2)


def test_what_lies_beyond_is_missing(folder):
    scene = open_scene(describe(folder, BOTH), experiment())
    edge = scene.read((3, 5), 2)
    assert edge["aerial"]["pixels"].shape == (0, 2, 20, 20)  # a quarter of it is there, and uint8 has no nodata
    assert (edge["s2"]["pixels"] != 0).any()
    outside = scene.read((-40, 0), 2)
    assert outside["aerial"]["pixels"].shape == (0, 2, 20, 20)
    assert outside["s2"]["pixels"].shape == (0, 2, 2, 2)
    half = scene.read((3, 2), 2)["aerial"]["pixels"]
    assert half.shape == (1, 2, 20, 20)
    for band in range(2):
        assert (half[0, band, 10:] == np.uint8(np.median(half[0, band, :10]))).all()


def test_scenes_go_to_other_processes(folder):
    scene = open_scene(describe(folder, BOTH), experiment())
    expected = scene.read((0, 0), 2)["aerial"]["pixels"]  # with files open here
    assert len(pickle.dumps(scene)) < 20_000
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            found = pool.apply(scene.read, ((0, 0), 2))
        np.testing.assert_array_equal(found["aerial"]["pixels"], expected)


def test_a_file_that_goes_away_is_named(folder):
    scene = open_scene(describe(folder, BOTH), experiment())
    path = folder / "aerial" / "a.tif"
    scene = pickle.loads(pickle.dumps(scene))
    path.write_bytes(path.read_bytes()[:600])
    with (
        pytest.raises(DataError, match=r"a\.tif: cannot be read"),
        multiprocessing.get_context("spawn").Pool(1) as pool,
    ):
        pool.apply(scene.read, ((0, 0), 2))


def test_the_first_file_by_name_wins_where_it_has_data(tmp_path):
    first = values(2, 4, 4, seed=1, dtype="uint16")
    first[:, :, 2:] = 0
    write(tmp_path / "s2/20180301_b.tif", values(2, 4, 4, seed=2, dtype="uint16"), 10.0)
    write(tmp_path / "s2/20180301_a.tif", first, 10.0, nodata=0)
    scene = open_scene(describe(tmp_path, "sensors={'s2': Images('s2/{date}_*.tif')}"), experiment(s2=S2))
    pixels = scene.read((0, 0), 4)["s2"]["pixels"]
    np.testing.assert_array_equal(pixels[0, :, :, :2], first[:, :, :2])
    np.testing.assert_array_equal(pixels[0, :, :, 2:], values(2, 4, 4, seed=2, dtype="uint16")[:, :, 2:])


@pytest.mark.parametrize(("pixel", "shift"), [(10.0, 5.0), (20.0, 3.0), (2.0, 1.0)])
def test_missing_pixels_do_not_bleed(tmp_path, pixel, shift):
    """All values are 5000 or missing: whatever is resampled is one of both."""
    side = int(120 / pixel)
    pixels = np.full((2, side, side), 5000, np.uint16)
    pixels[0, side // 3 : side // 2, side // 3 : side // 2] = 0
    pixels[1, 0] = 0
    write(tmp_path / "s2/20180301.tif", pixels, pixel, left=LEFT + shift, top=TOP - shift, nodata=0)
    text = f"sensors={{'s2': Images('s2/{{date}}.tif')}}, crs='{CRS}'"
    found = open_scene(describe(tmp_path, text), experiment(s2=S2)).read((0, 0), 12)["s2"]["pixels"]
    assert set(np.unique(found)) == {0, 5000}
    assert not np.array_equal(found[0, 0] == 0, found[0, 1] == 0)  # each band has its own


def test_the_same_scene_in_other_projections(tmp_path):
    """Smooth images in three coordinate systems are those that were warped before, within what resampling does."""
    rows, columns = np.mgrid[:60, :60] * 10.0
    ground = {"crs": CRS, "transform": rasterio.Affine(10, 0, LEFT, 0, -10, TOP)}
    smooth = np.stack([3000 + rows + columns, 4000 + 5 * rows - 3 * columns]).astype(np.uint16)
    for date, crs in (("20180301", "EPSG:2154"), ("20180302", "EPSG:32631"), ("20180303", CRS)):
        transform, width, height = rasterio.warp.calculate_default_transform(
            CRS, crs, 60, 60, LEFT, TOP - 600, LEFT + 600, TOP, resolution=10
        )
        warped = np.zeros((2, height, width), np.uint16)
        rasterio.warp.reproject(
            smooth,
            warped,
            src_transform=ground["transform"],
            src_crs=CRS,
            dst_transform=transform,
            dst_crs=crs,
            src_nodata=0,
            dst_nodata=0,
            resampling=Resampling.cubic,
            tolerance=0,
        )
        write(tmp_path / f"s2/{date}.tif", warped, 10, left=transform.c, top=transform.f, crs=crs, nodata=0)
    text = (
        f"sensors={{'s2': Images('s2/{{date}}.tif')}}, crs='{CRS}', region=({LEFT}, {TOP - 600}, {LEFT + 600}, {TOP})"
    )
    scene = open_scene(describe(tmp_path, text), experiment(s2=S2))
    assert (scene.frame.left, scene.frame.top) == (LEFT, TOP)
    for start in ((10, 10), (30, 20)):
        found = scene.read(start, 16)["s2"]["pixels"].astype(float)
        expected = smooth[:, start[0] : start[0] + 16, start[1] : start[1] + 16]
        assert found.shape[0] == 3
        assert np.abs(found - expected).max() <= 2
    np.testing.assert_array_equal(found[2], expected)
    # any square is a part of a larger one
    np.testing.assert_array_equal(
        scene.read((12, 14), 3)["s2"]["pixels"], scene.read((8, 8), 16)["s2"]["pixels"][..., 4:7, 6:9]
    )


def test_finer_images_are_averaged(tmp_path):
    pixels = values(2, 40, 40, dtype="uint16", high=9000)
    write(tmp_path / "s2/20180301.tif", pixels, 2.5)
    scene = open_scene(describe(tmp_path, "sensors={'s2': Images('s2/{date}.tif')}"), experiment(s2=S2))
    expected = pixels.reshape(2, 10, 4, 10, 4).mean((2, 4))
    np.testing.assert_allclose(scene.read((0, 0), 10)["s2"]["pixels"][0], expected, atol=0.51)


def test_masks_and_values_that_only_a_mask_hides(tmp_path):
    with_masks = dataclasses.replace(S2, nodata=None, mask_channels=("cloud",))
    pixels = values(2, 4, 4, dtype="uint16")
    write(tmp_path / "s2/20180301.tif", pixels, 10.0)
    cloud = values(1, 4, 2, high=100)
    write(tmp_path / "masks/20180301.tif", cloud, 10.0)
    text = "sensors={'s2': Images('s2/{date}.tif', masks='masks/{date}.tif')}"
    record = open_scene(describe(tmp_path, text), experiment(s2=with_masks)).read((0, 0), 4)["s2"]
    np.testing.assert_array_equal(record["mask"][0, :, :, :2], cloud)
    assert (record["mask"][0, :, :, 2:] == 100).all()

    path = write(tmp_path / "t2/20180301.tif", pixels, 10.0)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
        hidden = np.full((4, 4), 255, np.uint8)
        hidden[0, 0] = 0
        file.write_mask(hidden)
    found = open_scene(describe(tmp_path, "sensors={'s2': Images('t2/{date}.tif')}"), experiment(s2=S2))
    np.testing.assert_array_equal(found.read((0, 0), 4)["s2"]["pixels"][0] == 0, np.stack([hidden == 0] * 2))


def test_opacity_after_the_bands_is_a_mask(tmp_path):
    pixels = np.concatenate([values(2, 20, 20), np.full((1, 20, 20), 255, np.uint8)])
    pixels[2, :, 10:] = 0
    with rasterio.open(write(tmp_path / "a/x.tif", pixels, 1.0), "r+") as file:
        file.colorinterp = [*file.colorinterp[:2], rasterio.enums.ColorInterp.alpha]
    text = "sensors={'aerial': Images('a/*.tif', date='2018-07-01')}"
    found = open_scene(describe(tmp_path, text), experiment(aerial=AERIAL)).read((0, 0), 20)["aerial"]["pixels"]
    np.testing.assert_array_equal(found[0, :, :, :10], pixels[:2, :, :10])
    assert (found[0, 0, :, 10:] == found[0, 0, 0, 10]).all()


def test_floats_say_what_is_missing(tmp_path):
    pixels = values(2, 4, 4).astype(np.float32)
    pixels[0, 1, 1], pixels[1, 2, 2] = np.nan, -9999
    write(tmp_path / "s1/20180301.tif", pixels, 10.0, nodata=-9999)
    scene = open_scene(describe(tmp_path, "sensors={'s1': Images('s1/{date}.tif')}"), experiment(s1=S1))
    found = scene.read((0, 0), 4)["s1"]["pixels"][0]
    assert np.isnan(found[0, 1, 1])
    assert np.isnan(found[1, 2, 2])
    assert np.isnan(found).sum() == 2


def test_heights_are_quantised(tmp_path):
    heights = spec_of_heights()
    ground = np.random.default_rng(0).uniform(100, 130, (1, 4, 4)).astype(np.float32)
    write(tmp_path / "dem/x.tif", ground, 10.0)
    scene = open_scene(
        describe(tmp_path, "sensors={'dem': Images('dem/x.tif', date='2018-07-01')}"), experiment(dem=heights)
    )
    record = scene.read((0, 0), 4)["dem"]
    np.testing.assert_allclose(record["base"] + 0.01 * record["pixels"][0], ground, atol=0.0051)


def spec_of_heights():
    return dataclasses.replace(S1, bands=("DTM",), dtype="uint16", unit="m", quantum=0.01)


def test_parts_that_are_kept_change_nothing(tmp_path):
    """Any square of a scene larger than a part is that of one large square, in whatever order they are read."""
    pixels = values(2, 100, 90, dtype="uint16", low=0, high=9000)
    write(tmp_path / "s2/20180301.tif", pixels, 10.0, nodata=0)
    write(tmp_path / "s2/20180302.tif", pixels[:, :20, :20], 10.0, left=LEFT + 803, top=TOP - 807, nodata=0)
    text = "sensors={'s2': Images('s2/{date}.tif')}"
    scene = open_scene(describe(tmp_path, text), experiment(s2=S2))
    whole = scene.read((0, 0), 100)["s2"]["pixels"]
    np.testing.assert_array_equal(whole[0, :, :, :90], pixels)
    for start in ((60, 61), (-3, 2), (80, 80), (95, 85)):
        found = open_scene(describe(tmp_path, text), experiment(s2=S2)).read(start, 8)["s2"]["pixels"]
        first = [max(0, -each) for each in start]
        expected = whole[:, :, max(0, start[0]) : start[0] + 8, max(0, start[1]) : start[1] + 8]
        kept = (expected != 0).any((1, 2, 3))
        rows, columns = (slice(begin, begin + size) for begin, size in zip(first, expected.shape[2:], strict=True))
        np.testing.assert_array_equal(found[:, :, rows, columns], expected[kept])

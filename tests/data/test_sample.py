"""docs/method.md §2.1 and §2.4: one place and one orientation for every raster; missing modalities; targets."""

import dataclasses
import itertools

import numpy as np
import pytest

from mmae_jax import spec
from mmae_jax.data import augment, crops, sample
from mmae_jax.data.tiles import Tile
from tests.data import example_dataset as example

EXPERIMENT = example.experiment()
DATASET = EXPERIMENT.dataset


def as_tile(record):
    return Tile([record], EXPERIMENT.dataset, 0)


def scenes(result):
    """The cells that each raster of an example sample shows."""
    return {
        "aerial": result["inputs"]["aerial"][0, 0, ::4, ::4].astype(int) - 1,
        "s1": result["inputs"]["s1"][0, 0].astype(int) % 100,
        "cover": result["targets"]["cover"][::2, ::2],
    }


@pytest.mark.parametrize("seed", range(8))
def test_training_shows_one_place_in_one_orientation_in_every_raster(seed):
    record = example.record(seed)
    result = sample.train_sample(EXPERIMENT, as_tile(record), np.random.default_rng(seed))
    shown = scenes(result)
    assert shown["aerial"].shape == (4, 4)
    for name in ("s1", "cover"):
        np.testing.assert_array_equal(shown[name], shown["aerial"], name)


def test_training_reaches_every_crop_and_every_orientation():
    record = example.record(0)
    tile = record["cover"][::2, ::2]
    views = {}
    for row, column in itertools.product(range(5), repeat=2):
        crop = tile[row : row + 4, column : column + 4]
        for turned in (crop, crop[::-1], crop[:, ::-1], crop[::-1, ::-1]):
            views[turned.tobytes()] = (row, column)
            views[turned.T.tobytes()] = (row, column)
    rng = np.random.default_rng(0)
    seen = {
        scenes(sample.train_sample(EXPERIMENT, as_tile(record), rng))["cover"].astype(np.uint8).tobytes()
        for _ in range(1500)
    }
    assert seen == views.keys()
    assert len(views) == 25 * 8


def test_evaluation_shows_the_fixed_crops_row_major():
    record = example.record(3)
    tile = record["cover"][::2, ::2]
    for index, (row, column) in enumerate(itertools.product((0, 4), repeat=2)):
        shown = scenes(sample.eval_sample(EXPERIMENT, as_tile(record), index))
        for name, scene in shown.items():
            np.testing.assert_array_equal(scene, tile[row : row + 4, column : column + 4], name)


def test_fixed_crops_of_a_grid_that_is_no_multiple_start_at_the_floor():
    starts = [crops.fixed_start(index, 5, 64)[1] for index in range(5)]
    assert starts == [0, 12, 25, 38, 51]
    assert crops.fixed_crops_fit(5, 64, 12)
    assert not crops.fixed_crops_fit(5, 64, 14)


def test_random_starts_are_uniform_and_include_both_ends():
    rng = np.random.default_rng(1)
    starts = np.array([crops.random_start(rng, 8, 6) for _ in range(3000)])
    counts = np.histogram2d(*starts.T, bins=3)[0]
    assert starts.min() == 0
    assert starts.max() == 2
    np.testing.assert_allclose(counts, 3000 / 9, rtol=0.2)


def test_a_frame_around_the_tile_is_never_shown():
    record = example.record(0)
    record["aerial"]["pixels"][..., [0, 1, -2, -1], :] = 255
    record["aerial"]["pixels"][..., :, [0, 1, -2, -1]] = 255
    whole = dataclasses.replace(EXPERIMENT, data=dataclasses.replace(EXPERIMENT.data, crop_meters=None, repeats=1))
    result = sample.eval_sample(whole, as_tile(record), 0)
    assert result["inputs"]["aerial"].shape == (1, 3, 32, 32)
    assert result["inputs"]["aerial"].max() < 255


@pytest.mark.parametrize("flips", list(itertools.product([False, True], repeat=3)))
def test_flips_are_rows_then_columns_then_transposition(flips):
    raster = np.arange(2 * 9).reshape(2, 3, 3)
    expected = raster
    if flips[0]:
        expected = np.flip(expected, 1)
    if flips[1]:
        expected = np.flip(expected, 2)
    if flips[2]:
        expected = np.swapaxes(expected, 1, 2)
    found = augment.apply_flips(raster, augment.Flips(*flips))
    np.testing.assert_array_equal(found, expected)
    assert found.flags.c_contiguous


def test_valid_turns_with_its_pixels():
    record = example.record(0, num_s1=2)
    record["s1"]["pixels"][:, :, :4, 2:7] = np.nan  # as many dates as bins: nothing is chosen, everything is filled
    experiment = dataclasses.replace(EXPERIMENT, data=dataclasses.replace(EXPERIMENT.data, crop_meters=None, repeats=1))
    for seed in range(8):
        result = sample.train_sample(experiment, as_tile(record), np.random.default_rng(seed))
        cells = result["targets"]["cover"][::2, ::2]
        missing = set(record["cover"][::2, ::2][:4, 2:7].ravel().tolist())
        np.testing.assert_array_equal(result["valid"]["s1"][0], ~np.isin(cells, list(missing)))


def test_bands_are_taken_by_name_in_the_order_of_the_input():
    record = example.record(0)
    result = sample.eval_sample(EXPERIMENT, as_tile(record), 0)
    np.testing.assert_array_equal(result["inputs"]["aerial"][0], record["aerial"]["pixels"][0, [1, 0, 2], 2:18, 2:18])


def test_eligible_depends_on_used_bands_only():
    record = example.record(0, num_s1=2)
    record["s1"]["pixels"][:, 1] = np.nan
    inputs = EXPERIMENT.inputs | {"s1": dataclasses.replace(EXPERIMENT.inputs["s1"], bands=(("vv",),))}
    result = sample.eval_sample(dataclasses.replace(EXPERIMENT, inputs=inputs), as_tile(record), 0)
    assert result["valid"]["s1"].all()


def test_a_missing_modality_is_zero_invalid_and_dated_with_the_reference():
    record = example.record(0, num_s2=0)
    result = sample.train_sample(EXPERIMENT, as_tile(record), np.random.default_rng(0))
    assert result["inputs"]["s2"].shape == (3, 2, 4, 4)
    assert result["inputs"]["s2"].dtype == np.uint16
    assert not result["inputs"]["s2"].any()
    assert not result["valid"]["s2"].any()
    assert result["valid"]["s2"].shape == (3, 4, 4)
    assert (result["dates"]["s2"] == record["ref_date"]).all()
    assert result["dates"]["s2"].dtype == np.int16
    assert result["valid"]["s1"].all()


def test_a_missing_modality_without_missing_pixels_keeps_the_short_valid():
    record = example.record(0)
    record["aerial"] = {"pixels": record["aerial"]["pixels"][:0], "dates": record["aerial"]["dates"][:0]}
    result = sample.eval_sample(EXPERIMENT, as_tile(record), 0)
    assert result["valid"]["aerial"].tolist() == [[[False]]]


def test_a_date_without_any_pixel_is_missing():
    record = example.record(0, num_s1=2)
    record["s1"]["pixels"][1] = np.nan
    result = sample.eval_sample(EXPERIMENT, as_tile(record), 0)
    assert result["valid"]["s1"].all(axis=(1, 2)).tolist() == [True, False]
    np.testing.assert_array_equal(result["dates"]["s1"], [record["s1"]["dates"][0], record["ref_date"]])


def test_proportions_become_classes_and_nan_the_missing_value():
    record = example.record(0)
    record["proportions"] = np.array([0.07, 0.0701, np.nan], np.float32)
    result = sample.eval_sample(EXPERIMENT, as_tile(record), 0)
    assert result["targets"]["species"].tolist() == [0, 1, -1]
    dtypes = {name: target.dtype.name for name, target in result["targets"].items()}
    assert dtypes == {"species": "int32", "main": "int32", "cover": "uint8"}


def test_classes_of_the_crop_are_those_of_its_pixels():
    record = example.record(0)
    shown = spec.Target("multilabel", ("a", "b", "c"), "cover", pixel_values=(7, 200, int(record["cover"][0, 0])))
    dataset = dataclasses.replace(DATASET, targets=DATASET.targets | {"shown": shown})
    experiment = dataclasses.replace(EXPERIMENT, dataset=dataset, targets=("cover", "shown"))
    for crop in range(4):
        targets = sample.eval_sample(experiment, Tile([record], dataset, 0), crop)["targets"]
        assert targets["shown"].tolist() == [int((targets["cover"] == value).any()) for value in shown.pixel_values]
        assert targets["shown"].dtype == np.int32


def test_dates_are_not_random_if_switched_off_but_their_offset_is():
    record = example.record(0, num_s1=7, num_s2=9)
    fixed = dataclasses.replace(
        EXPERIMENT,
        data=dataclasses.replace(EXPERIMENT.data, random_dates=False, augment=False, crop_meters=None, repeats=1),
    )
    drawn = {
        tuple(sample.train_sample(fixed, as_tile(record), np.random.default_rng(seed))["dates"][name][:, 1].tolist())
        for seed in range(30)
        for name in ("s1", "s2")
    }
    assert len(drawn) == 3  # two offsets of 7 dates in 2 bins, one of 9 in 3

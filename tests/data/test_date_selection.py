"""docs/method.md §2.2 rule by rule, and against a slow reading of it."""

import numpy as np
import pytest

from mmae_jax.data import dates as date_rules

NAN = np.nan


def acquisition_dates(number):
    return np.stack([np.full(number, 2019), np.arange(number) + 1, np.zeros(number)], 1).astype(np.int16)


def select(pixels, num_dates, *, offset=None, nodata=None, **options):
    if offset is None:
        offset = date_rules.evaluation_offset(len(pixels), num_dates)
    missing = date_rules.missing_values(pixels, nodata)
    return date_rules.select_dates(
        pixels, acquisition_dates(len(pixels)), num_dates, offset=offset, missing=missing, **options
    )


def chosen(selection):
    return (selection.dates[:, 1] - 1).tolist()


def images(*values):
    """Acquisitions of one band and 2 × 2 pixels; each value fills one."""
    return np.array(values, np.float32)[:, None, None, None] * np.ones((1, 1, 2, 2), np.float32)


def slow_choice(pixels, masks, threshold, num_dates, offset):
    """Evaluation's choice, read from docs/method.md §2.2 word by word; None for a bin without an eligible date."""
    length = len(pixels) // num_dates
    result = []
    for index in range(num_dates):
        members = range(offset + index * length, offset + (index + 1) * length)
        masked = {t: (masks[t] > threshold).any(0) for t in members}
        if all(masked[t].any() for t in members):
            masked = {t: np.zeros_like(masked[t]) for t in members}
        eligible = [t for t in members if not masked[t].any() and not np.isnan(pixels[t]).any()]
        visible = {t: np.where(masked[t], NAN, pixels[t].astype(float)) for t in members}
        distance = {}
        for t in eligible:
            total = []
            for band, row, column in np.ndindex(pixels.shape[1:]):
                values = [visible[u][band, row, column] for u in members]
                total.append(abs(visible[t][band, row, column] - np.median([v for v in values if not np.isnan(v)])))
            distance[t] = np.mean(total)
        result.append(min(distance, key=distance.get) if distance else None)
    return result


@pytest.mark.parametrize("seed", range(6))
def test_evaluation_agrees_with_a_slow_reading(seed):
    rng = np.random.default_rng(seed)
    total, num_dates = [(23, 4), (12, 3), (17, 16), (9, 2), (30, 7), (5, 4)][seed]
    pixels = rng.normal(size=(total, 3, 3, 3)).astype(np.float32)
    pixels[rng.random(pixels.shape) < 0.01] = NAN
    masks = (rng.integers(0, 100, (total, 2, 3, 3)) * (rng.random((total, 2, 3, 3)) < 0.04)).astype(np.uint8)
    for offset in range(total % num_dates + 1):
        expected = slow_choice(pixels, masks, 10, num_dates, offset)
        found = chosen(select(pixels, num_dates, offset=offset, masks=masks, mask_threshold=10))
        assert [f for f, e in zip(found, expected, strict=True) if e is not None] == [
            e for e in expected if e is not None
        ]


@pytest.mark.parametrize(
    ("total", "num_dates", "offset"), [(23, 4, 1), (12, 3, 0), (7, 4, 1), (9, 5, 2), (4, 4, 0), (2, 5, 0)]
)
def test_evaluation_uses_the_middle_offset(total, num_dates, offset):
    assert date_rules.evaluation_offset(total, num_dates) == offset


def test_as_many_acquisitions_as_bins_are_all_taken_without_copy_and_without_masks():
    pixels = np.arange(2 * 1 * 4 * 4, dtype=np.uint8).reshape(2, 1, 4, 4)
    selection = select(pixels, 2, masks=np.full((2, 1, 4, 4), 100, np.uint8))
    assert np.shares_memory(selection.pixels, pixels)
    assert chosen(selection) == [0, 1]
    assert selection.valid is None


def test_fewer_acquisitions_than_bins_repeat_the_nearest():
    selection = select(images(1, 2, 3), 7)
    assert chosen(selection) == [0, 0, 1, 1, 1, 2, 2]
    assert selection.pixels[:, 0, 0, 0].tolist() == [1, 1, 2, 2, 2, 3, 3]


@pytest.mark.parametrize("random", [False, True])
def test_masked_and_incomplete_dates_are_not_chosen(random):
    pixels = images(5, 5, 5, 1, 2, 3)
    pixels[1, 0, 0, 0] = NAN
    masks = np.zeros((6, 2, 2, 2), np.uint8)
    masks[0, 1, 1, 1] = 1
    masks[3:5, 0] = 7
    for seed in range(20):
        selection = select(pixels, 2, masks=masks, rng=np.random.default_rng(seed) if random else None)
        assert chosen(selection) == [2, 5]


def test_training_draws_uniformly_among_the_eligible():
    pixels = images(*range(10))
    pixels[[2, 7], 0, 1, 0] = NAN
    counts = np.zeros(10)
    rng = np.random.default_rng(0)
    for _ in range(4000):
        counts[chosen(select(pixels, 2, rng=rng))] += 1
    assert counts[2] == counts[7] == 0
    np.testing.assert_allclose(counts[[0, 1, 3, 4, 5, 6, 8, 9]], 1000, rtol=0.15)


def test_masks_are_ignored_in_a_bin_that_is_masked_on_every_date():
    pixels = images(9, 1, 2, 3)
    masks = np.zeros((4, 1, 2, 2), np.uint8)
    masks[:2, 0, 0, 0] = 50
    assert chosen(select(pixels, 2, masks=masks))[0] == 0


def test_mask_threshold_is_exclusive():
    masks = np.full((3, 1, 2, 2), 10, np.uint8)
    masks[1] = 11
    masks[2] = 12
    assert chosen(select(images(1, 2, 3), 1, masks=masks, mask_threshold=10)) == [0]


def test_a_bin_without_complete_date_takes_the_fullest_and_fills_it_with_the_band_median():
    pixels = np.stack([images(10, 20, 30, 1)[:, 0], images(1, 2, 3, 1)[:, 0]], axis=1)  # two bands
    pixels[0, 0, 0, :] = NAN
    pixels[1, 1, 1, 1] = NAN
    pixels[2, 0] = NAN
    selection = select(pixels[:3], 1)
    assert chosen(selection) == [1]
    assert selection.valid[0].tolist() == [[True, True], [True, False]]
    present = pixels[:3, 1][~np.isnan(pixels[:3, 1])]
    assert selection.pixels[0, 1, 1, 1] == np.median(present)
    np.testing.assert_array_equal(selection.pixels[0, 0], 20)


def test_without_any_value_the_fill_is_zero_and_nothing_is_valid():
    selection = select(np.full((4, 2, 3, 3), NAN, np.float16), 2)
    assert selection.pixels.dtype == np.float16
    assert not selection.pixels.any()
    assert not selection.valid.any()


def test_a_bin_of_clouded_and_incomplete_dates_takes_the_one_with_fewest_unusable_pixels():
    pixels = images(1, 2)
    pixels[1, 0, 0, 0] = NAN
    masks = np.zeros((2, 1, 2, 2), np.uint8)
    masks[0] = 100
    selection = select(pixels, 1, masks=masks)
    assert chosen(selection) == [1]
    assert selection.valid.sum() == 3


def test_nodata_counts_like_nan():
    pixels = np.full((3, 1, 2, 2), 7, np.int16)
    pixels[0, 0, 0, 0] = -9999
    pixels[1, 0] = -9999
    selection = select(pixels, 1, nodata=-9999.0)
    assert chosen(selection) == [2]
    selection = select(pixels[:2], 1, nodata=-9999.0)
    assert selection.pixels.dtype == np.int16
    assert selection.pixels[0].tolist() == [[[7, 7], [7, 7]]]
    assert selection.valid[0].tolist() == [[False, True], [True, True]]


def test_infinite_values_are_missing():
    pixels = images(1, 2).astype(np.float16)
    pixels[0, 0, 0, 0] = np.inf
    assert chosen(select(pixels, 1)) == [1]


def test_missing_pixels_are_filled_also_without_selection():
    pixels = images(4, 6)
    pixels[0, 0, 1, 1] = NAN
    selection = select(pixels, 2)
    np.testing.assert_array_equal(selection.pixels, images(4, 6))
    assert np.isnan(pixels[0, 0, 1, 1])  # the record is left as it was
    assert selection.valid.sum() == 7


@pytest.mark.filterwarnings("error")
def test_no_warning_for_bins_without_values():
    pixels = np.full((6, 1, 2, 2), NAN, np.float32)
    pixels[5] = 1
    select(pixels, 2)
    select(pixels, 2, rng=np.random.default_rng(0))

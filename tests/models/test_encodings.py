"""Position and date encodings (docs/method.md §3) against float64 written out."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from mmae_jax.models.encodings import common_grid, date_encoding, position_encoding, sincos_grid, sincos_line

WIDTH = 24


def exact_date_channels(date, ref_date):
    year, day, hour = (int(value) for value in date)
    delta = (year - int(ref_date[0])) + (day - int(ref_date[1])) / 365.25
    day_angle, hour_angle = 2 * math.pi * day / 365.25, 2 * math.pi * hour / 24
    return [delta] * 4 + [math.sin(day_angle), math.cos(day_angle), math.sin(hour_angle), math.cos(hour_angle)]


def test_dates_are_exact_to_a_millionth_over_the_years():
    rng = np.random.default_rng(0)
    dates = np.stack(
        [rng.integers(2017, 2024, (50, 7)), rng.integers(1, 367, (50, 7)), rng.integers(0, 24, (50, 7))], -1
    )
    ref_dates = np.stack([rng.integers(2017, 2024, 50), rng.integers(1, 367, 50), rng.integers(0, 24, 50)], -1)
    found = np.asarray(date_encoding(jnp.asarray(dates, jnp.int16), jnp.asarray(ref_dates, jnp.int16), WIDTH))
    assert found.dtype == np.float32
    assert (found[..., : WIDTH - 8] == 0).all()
    expected = [[exact_date_channels(date, ref) for date in row] for row, ref in zip(dates, ref_dates, strict=True)]
    np.testing.assert_allclose(found[..., WIDTH - 8 :], expected, atol=1e-6)


def test_one_day_is_told_from_the_next_in_any_year():
    dates = jnp.asarray([[[2023, 200, 0], [2023, 201, 0]]], jnp.int16)
    first, second = np.asarray(date_encoding(dates, jnp.asarray([[2017, 1, 0]], jnp.int16), WIDTH))[0, :, -8]
    assert second - first == pytest.approx(1 / 365.25, rel=1e-3)


@pytest.mark.parametrize(
    ("row", "column", "channel"), [(0, 0, 0), (3, 5, 0), (3, 5, 6), (7, 2, 11), (7, 2, 14), (1, 6, 20)]
)
def test_positions_are_sines_and_cosines_of_column_then_row(row, column, channel):
    kind, index = divmod(channel, 4)
    omega = 10_000 ** (-index / 3)
    values = [math.sin(column * omega), math.cos(column * omega), math.sin(row * omega), math.cos(row * omega), 0, 0]
    assert sincos_grid(sincos_line(8, WIDTH))[row, column, channel] == pytest.approx(values[kind], abs=1e-12)


def test_common_grid_divisible_by_the_grid_is_mean_pooled():
    fine = sincos_grid(sincos_line(6, WIDTH))
    expected = [fine[3 * i : 3 * i + 3, 3 * j : 3 * j + 3].mean(axis=(0, 1)) for i in range(2) for j in range(2)]
    np.testing.assert_allclose(position_encoding(6, 2, WIDTH), expected, atol=1e-6)
    np.testing.assert_allclose(position_encoding(6, 6, WIDTH), fine.reshape(36, WIDTH), atol=1e-6)


# 10/4 = 2.5 and 14/4 = 3.5 are rounded half to even, to 2 and 4; 16/15 to 1.
@pytest.mark.parametrize(("side", "grid", "block"), [(10, 4, 2), (14, 4, 4), (16, 15, 1), (8, 3, 3)])
def test_common_grid_not_divisible_is_resized_to_the_nearest_multiple_first(side, grid, block):
    torch = pytest.importorskip("torch")
    fine = torch.tensor(sincos_grid(sincos_line(side, WIDTH))).permute(2, 0, 1)[None]
    resized = torch.nn.functional.interpolate(fine, (grid * block,) * 2, mode="bilinear")
    pooled = torch.nn.functional.avg_pool2d(resized, block)[0].permute(1, 2, 0).reshape(grid**2, WIDTH)
    np.testing.assert_allclose(position_encoding(side, grid, WIDTH), pooled.numpy(), atol=1e-6)


def test_centres_stay_symmetric_when_the_grid_does_not_divide():
    # Cosines of the lowest frequency are nearly 1 − (x/10⁴)²/2; sines nearly x/10⁴, the position itself.
    x = position_encoding(10, 4, WIDTH)[:4, 3] * 1e4
    np.testing.assert_allclose(x - 4.5, -(x - 4.5)[::-1], atol=1e-3)
    np.testing.assert_allclose(np.diff(x), 2.5, atol=0.13)


def test_default_side_is_the_least_common_multiple():
    assert common_grid([15, 3, 4]) == 60

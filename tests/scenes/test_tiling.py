"""Squares cover a frame, and their weights add up."""

import numpy as np
import pytest

from mmae_jax.scenes.tiling import spans, tiling, touching, window


@pytest.mark.parametrize("length", [1, 5, 8, 9, 13, 64])
@pytest.mark.parametrize("overlap", [0, 0.25, 0.5, 0.9])
def test_squares_cover_a_frame_and_lie_in_it(length, overlap):
    squares = tiling((length, 8), 8, overlap)
    covered = np.zeros(max(length, 8), int)
    for row in squares.rows:
        covered[row : row + 8] += 1
    assert (covered[:length] > 0).all()
    assert max(squares.rows) + 8 <= max(length, 8)
    assert len(squares) == len(squares.rows) * len(squares.columns) == len(squares.rows)
    assert sorted(set(squares.rows)) == list(squares.rows)


@pytest.mark.parametrize(("length", "overlap"), [(5, 0.25), (13, 0), (13, 0.25), (64, 0.5), (61, 0.5)])
def test_each_cell_is_in_one_span_and_told_of_by_every_square_over_it(length, overlap):
    squares = tiling((length, length), 8, overlap)
    parts = spans(squares.rows, length)
    assert [cell for first, last in parts for cell in range(first, last)] == list(range(length))
    for part, (first, last) in enumerate(parts):
        found = touching(squares.rows, 8, squares.overlap, part, (first, last))
        over = [i for i, start in enumerate(squares.rows) if start < last and start + 8 > first]
        assert list(found) == (over if overlap else [part])


def test_weights_of_overlapping_squares_add_up_to_one():
    for side, ramp in ((32, 8), (32, 16), (7, 2)):
        weight = window(side, ramp)
        assert weight.min() > 0
        line = np.sqrt(weight.diagonal())
        np.testing.assert_allclose(line[-ramp:] + line[:ramp], 1, atol=1e-6)
    np.testing.assert_array_equal(window(4, 0), 1)

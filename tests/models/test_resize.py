"""Resizing equals `torch.nn.functional.interpolate` without antialiasing (docs/method.md §2.5)."""

import jax.numpy as jnp
import numpy as np
import pytest

from mmae_jax.models.resize import resize, resize_matrix

# Up and down, by whole and other factors.
SIZES = [(4, 8), (8, 4), (5, 7), (7, 5), (3, 10), (304, 300), (6, 6), (1, 3), (96, 16)]


@pytest.mark.parametrize(("size_in", "size_out"), SIZES)
@pytest.mark.parametrize("method", ["nearest", "bilinear", "bicubic"])
def test_equals_torch(size_in, size_out, method):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(size=(2, 3, size_in, size_in)).astype(np.float32)
    # float64: in float32 PyTorch rounds the positions themselves, by 1e-5 of a pixel at 300.
    expected = torch.nn.functional.interpolate(torch.tensor(x, dtype=torch.float64), (size_out,) * 2, mode=method)
    np.testing.assert_allclose(resize(jnp.asarray(x), size_out, method), expected.numpy(), atol=2e-6)


@pytest.mark.parametrize(
    ("method", "size", "expected"),
    [
        ("nearest", 4, [0, 0, 1, 1]),
        ("nearest", 3, [0, 0, 1]),
        ("bilinear", 4, [0, 0.25, 0.75, 1]),
        ("bilinear", 1, [0.5]),
        # Coefficient −0.75; −0.5 would give −0.0703125 and 0.203125 first.
        ("bicubic", 4, [-0.10546875, 0.2265625, 0.7734375, 1.10546875]),
    ],
)
def test_fixed_numbers(method, size, expected):
    row = jnp.tile(jnp.asarray([0.0, 1.0]), (2, 1))
    np.testing.assert_allclose(resize(row, size, method)[0], expected, atol=1e-6)


@pytest.mark.parametrize("method", ["nearest", "bilinear", "bicubic"])
def test_rows_of_the_matrix_add_up_to_one(method):
    np.testing.assert_allclose(resize_matrix(7, 5, method).sum(axis=1), 1, atol=1e-6)


def test_axes_can_be_chosen_and_dtype_stays():
    x = jnp.arange(2 * 4 * 4 * 3, dtype=jnp.bfloat16).reshape(2, 4, 4, 3)
    found = resize(x, 2, "bilinear", axes=(1, 2))
    assert found.shape == (2, 2, 2, 3)
    assert found.dtype == jnp.bfloat16
    last = resize(jnp.moveaxis(x, -1, 1), 2, "bilinear")
    np.testing.assert_array_equal(np.asarray(found, np.float32), np.asarray(jnp.moveaxis(last, 1, -1), np.float32))


def test_validity_can_be_resized_by_nearest_neighbour():
    valid = jnp.asarray([[True, False], [False, True]])
    found = resize(valid, 4, "nearest")
    assert found.dtype == bool
    np.testing.assert_array_equal(found[0], [True, True, False, False])

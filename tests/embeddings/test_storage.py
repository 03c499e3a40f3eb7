"""Stored vectors are those that were computed, within what their data type allows."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from mmae_jax.embeddings.storage import NODATA, Storage, unit_length

WIDTH = 64


def vectors(number: int = 200, parts: int = 2, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(0, rng.uniform(0.1, 20, (number, 1, 1)), (number, parts, WIDTH)).astype(np.float32)


def restored(storage: Storage, of: np.ndarray) -> np.ndarray:
    return storage.decode(storage.encode(of)).reshape(of.shape)


def test_half_floats_are_rounded_and_never_infinite():
    of = vectors()
    of[0, 0, 0] = 1e6
    found = restored(Storage("float16"), of)
    assert found[0, 0, 0] == np.finfo(np.float16).max
    np.testing.assert_allclose(found[1:], of[1:], rtol=2**-11, atol=1e-7)


def test_power_quantisation_is_within_half_a_step_of_the_root():
    of = vectors()
    found, unit = restored(Storage("int8", "power"), of), unit_length(of)
    roots = [np.sign(each) * np.sqrt(np.abs(each)) for each in (found, unit)]
    assert np.abs(roots[0] - roots[1]).max() <= 0.5 / 127.5 + 1e-6


def test_power_quantisation_of_the_largest_number_is_not_missing():
    of = np.zeros((2, 1, WIDTH), np.float32)
    of[0, 0, 3], of[1, 0, 3] = 5, -5
    assert Storage("int8", "power").encode(of).values[:, 3].tolist() == [127, -127]


def test_a_scale_for_each_vector_is_within_half_a_step():
    of = vectors()
    stored = Storage("int8", "pixel").encode(of)
    np.testing.assert_allclose(stored.scale, np.abs(of).max(axis=(1, 2)) / 127, rtol=1e-6)
    found = Storage("int8", "pixel").decode(stored).reshape(of.shape)
    assert (np.abs(found - of) <= stored.scale[:, None, None] * 0.5001).all()


@pytest.mark.parametrize("storage", [Storage("float16"), Storage("int8", "power"), Storage("int8", "pixel")], ids=str)
def test_a_missing_part_stays_missing_and_changes_no_other(storage):
    of = vectors()
    of[3, 1] = np.nan
    of[4] = np.nan
    found, stored = restored(storage, of), storage.encode(of)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(of))
    if storage.dtype == "int8":
        assert (stored.values[3, WIDTH:] == NODATA).all()
        assert (stored.values[:3] != NODATA).all()


@pytest.mark.parametrize("storage", [Storage("int8", "power"), Storage("int8", "pixel")], ids=str)
def test_zeros_stay_zeros(storage):
    assert (restored(storage, np.zeros((3, 2, WIDTH), np.float32)) == 0).all()


@pytest.mark.parametrize("quantization", ["power", "pixel"])
def test_neighbours_of_bytes_are_those_of_floating_point(quantization):
    """Of clusters that overlap, so that a third of the classes are told wrongly."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 2000)
    of = (rng.normal(size=(10, WIDTH))[labels] + rng.normal(0, 2.5, (2000, WIDTH))).astype(np.float32)[:, None]
    scores = []
    for each in (unit_length(of), unit_length(restored(Storage("int8", quantization), of))):
        flat = each.reshape(2000, -1)
        scores.append(KNeighborsClassifier(10).fit(flat[:1000], labels[:1000]).score(flat[1000:], labels[1000:]))
    assert 0.5 < scores[0] < 0.9
    assert abs(scores[0] - scores[1]) <= 0.015  # 1000 tiles: one deviation is 1.5 points

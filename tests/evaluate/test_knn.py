"""`knn` against scikit-learn, on the same vectors."""

import dataclasses

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from mmae_jax.evaluate.protocols import protocol
from mmae_jax.evaluate.protocols.rows import MOST_PATCHES, rows_of
from mmae_jax.spec import SpecError
from tests.evaluate.vectors import BIOMASS, CLASSIF, HEIGHT, MULTILABEL, SEGMENT, clusters


def fitted(target, train, preset="torchgeo_bench"):
    return protocol("knn", preset).fit(target, train, train, seed=0)


def softmax(logits):
    exponents = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponents / exponents.sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("seed", range(3))
def test_votes_of_five_equal_scikit_learn(seed):
    train, test = (clusters(CLASSIF, number, seed + at) for number, at in ((80, 0), (50, 7)))
    reference = KNeighborsClassifier(5, algorithm="brute").fit(train.vectors, train.targets)
    outputs = fitted(CLASSIF, train).outputs(test.vectors)
    np.testing.assert_allclose(softmax(outputs), reference.predict_proba(test.vectors), atol=1e-6)
    np.testing.assert_array_equal(outputs.argmax(axis=1), reference.predict(test.vectors))


def test_votes_of_twenty_count_by_cosine():
    train, test = clusters(CLASSIF, 60, 0), clusters(CLASSIF, 20, 1)
    reference = KNeighborsClassifier(
        20, algorithm="brute", metric="cosine", weights=lambda distance: np.exp((1 - distance) / 0.07)
    ).fit(train.vectors, train.targets)
    outputs = fitted(CLASSIF, train, "olmoearth").outputs(test.vectors)
    np.testing.assert_allclose(softmax(outputs), reference.predict_proba(test.vectors), atol=1e-5)


def test_each_class_of_a_multilabel_target_is_voted_on_for_itself():
    train, test = clusters(MULTILABEL, 60, 0), clusters(MULTILABEL, 20, 1)
    outputs = fitted(MULTILABEL, train).outputs(test.vectors)
    for number in range(MULTILABEL.num_classes):
        alone = KNeighborsClassifier(5, algorithm="brute").fit(train.vectors, train.targets[:, number])
        probability = 1 / (1 + np.exp(-outputs[:, number].astype(np.float64)))
        np.testing.assert_allclose(probability, alone.predict_proba(test.vectors)[:, 1], atol=1e-6)


def test_numbers_are_the_mean_of_the_neighbours():
    train, test = clusters(BIOMASS, 60, 0), clusters(BIOMASS, 20, 1)
    reference = KNeighborsRegressor(5, algorithm="brute").fit(train.vectors, train.targets)
    np.testing.assert_allclose(
        fitted(BIOMASS, train).outputs(test.vectors)[:, 0], reference.predict(test.vectors), rtol=1e-5
    )


def test_a_patch_has_the_class_of_most_of_its_pixels_that_count():
    train = clusters(SEGMENT, 2, 0, grid=4)
    train.targets[0, :2, :2] = [[2, 2], [1, 0]]
    train.counted[1] = False
    train.counted[0, 2:] = False
    rows = rows_of(SEGMENT, train, seed=0)
    assert len(rows.targets) == 4
    assert rows.targets[0] == 2
    train.counted[0, 0, :2] = False
    assert rows_of(SEGMENT, train, seed=0).targets[0] == 0, "the first of those that are as many"


def test_a_patch_has_the_mean_of_its_numbers_that_count():
    train = clusters(HEIGHT, 1, 0, grid=4)
    train.targets[0, :2, :2] = [[1, 2], [np.nan, 6]]
    train.counted[0, 1, 0] = False
    assert rows_of(HEIGHT, train, seed=0).targets[0] == pytest.approx(3)


@pytest.mark.parametrize("target", [SEGMENT, HEIGHT], ids=lambda target: target.kind)
def test_the_outputs_of_a_patch_are_those_of_its_pixels(target):
    train, test = clusters(target, 12, 0), clusters(target, 5, 1)
    outputs = fitted(target, train).outputs(test.vectors)
    assert outputs.shape == (5, 8, 8, target.num_classes or 1)
    assert outputs.dtype == np.float32
    np.testing.assert_array_equal(outputs[:, ::2, ::2], outputs[:, 1::2, 1::2])


def test_of_many_patches_the_same_are_drawn_again():
    train = clusters(SEGMENT, 1500, 0, width=1)
    rows = [rows_of(SEGMENT, train, seed).vectors for seed in (0, 0, 1)]
    assert len(rows[0]) == MOST_PATCHES
    assert (rows[0] == rows[1]).all()
    assert (rows[0] != rows[2]).any()


def test_fewer_samples_than_neighbours_all_vote():
    train = clusters(CLASSIF, 3, 0)
    assert fitted(CLASSIF, train, "olmoearth").chosen["neighbours"] == 3


def test_nothing_to_learn_from_is_said():
    train = clusters(CLASSIF, 3, 0)
    with pytest.raises(SpecError, match="species: expected samples with a value to learn from, found none"):
        fitted(CLASSIF, dataclasses.replace(train, counted=np.zeros(3, bool)))


def test_unknown_names_are_said():
    with pytest.raises(SpecError, match=r"protocol: expected knn.* found kmm"):
        protocol("kmm")
    with pytest.raises(SpecError, match="preset: expected torchgeo_bench, olmoearth, found timm"):
        protocol("knn", "timm")

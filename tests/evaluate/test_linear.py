"""`linear` against scikit-learn, on the same vectors."""

import dataclasses

import numpy as np
import pytest
from scipy.special import expit, log_softmax
from sklearn.linear_model import LogisticRegression, Ridge

from mmae_jax.evaluate.protocols import protocol
from mmae_jax.evaluate.protocols.linear import Regularised
from mmae_jax.evaluate.protocols.logistic import Logistic
from mmae_jax.spec import Target
from tests.evaluate.vectors import BIOMASS, CLASSIF, HEIGHT, MULTILABEL, SEGMENT, clusters


@pytest.mark.parametrize("strength", [1e-6, 1e-2, 1.0, 1e2])
def test_logistic_regression_equals_scikit_learn(strength):
    train, test = clusters(CLASSIF, 120, 0), clusters(CLASSIF, 60, 1)
    reference = LogisticRegression(C=strength, tol=1e-8, max_iter=5000).fit(train.vectors, train.targets)
    outputs = Logistic(train.vectors, np.eye(3)[train.targets]).fit(strength)(test.vectors)
    expected = reference.predict_log_proba(test.vectors)
    np.testing.assert_allclose(np.exp(log_softmax(outputs, axis=1)), np.exp(expected), atol=2e-3)
    np.testing.assert_array_equal(outputs.argmax(axis=1), reference.predict(test.vectors))


def test_classes_that_do_not_exclude_each_other_equal_scikit_learn():
    train, test = clusters(MULTILABEL, 120, 0), clusters(MULTILABEL, 60, 1)
    outputs = Logistic(train.vectors, train.targets).fit(1.0)(test.vectors)
    for number in range(MULTILABEL.num_classes):
        alone = LogisticRegression(C=1.0, tol=1e-8).fit(train.vectors, train.targets[:, number])
        np.testing.assert_allclose(expit(outputs[:, number]), alone.predict_proba(test.vectors)[:, 1], atol=2e-3)


def test_a_search_goes_on_from_the_last_strength_to_the_same_minimum():
    train = clusters(CLASSIF, 120, 0)
    on_its_way = Logistic(train.vectors, np.eye(3)[train.targets])
    for strength in (1e-4, 1e-2, 1.0):
        found = on_its_way.fit(strength)
    alone = Logistic(train.vectors, np.eye(3)[train.targets]).fit(1.0)
    np.testing.assert_allclose(found(train.vectors), alone(train.vectors), atol=0.02)


def test_the_strength_is_the_first_of_the_best_on_val_and_val_is_learnt_from():
    train, val, test = (clusters(CLASSIF, number, seed) for seed, number in enumerate((30, 40, 50)))
    strengths = tuple(np.logspace(-4, 3, 12).tolist())
    scores = [
        LogisticRegression(C=strength, tol=1e-8, max_iter=5000)
        .fit(train.vectors, train.targets)
        .score(val.vectors, val.targets)
        for strength in strengths
    ]
    fitted = Regularised(strengths).fit(CLASSIF, train, val, seed=0)
    chosen = strengths[int(np.argmax(scores))]
    assert fitted.chosen == {"C": chosen}
    both = [np.concatenate([getattr(train, name), getattr(val, name)]) for name in ("vectors", "targets")]
    reference = LogisticRegression(C=chosen, tol=1e-8, max_iter=5000).fit(*both)
    np.testing.assert_allclose(np.exp(fitted.outputs(test.vectors)), reference.predict_proba(test.vectors), atol=2e-3)


@pytest.mark.parametrize("strength", [1e-3, 1.0])
def test_ridge_regression_equals_scikit_learn(strength):
    train, test = clusters(BIOMASS, 40, 0), clusters(BIOMASS, 20, 1)
    fitted = Regularised((strength,)).fit(BIOMASS, train, train, seed=0)
    assert fitted.chosen == {"alpha": 1 / strength}
    twice = [np.concatenate([array, array]) for array in (train.vectors, train.targets)]
    expected = Ridge(1 / strength).fit(*twice).predict(test.vectors)
    np.testing.assert_allclose(fitted.outputs(test.vectors)[:, 0], expected, rtol=1e-4, atol=1e-5)


def test_a_class_that_is_not_learnt_is_not_predicted():
    train = clusters(CLASSIF, 40, 0)
    train = dataclasses.replace(train, counted=train.targets != 1)
    outputs = Regularised((1.0,)).fit(CLASSIF, train, train, seed=0).outputs(train.vectors)
    assert outputs.shape == (40, 3)
    assert not (outputs.argmax(axis=1) == 1).any()
    assert np.isfinite(outputs).all()


@pytest.mark.parametrize("target", [SEGMENT, HEIGHT], ids=lambda target: target.kind)
def test_rasters_are_learnt_from_patches(target: Target):
    train, test = clusters(target, 20, 0, noise=0.2), clusters(target, 5, 1, noise=0.2)
    outputs = Regularised((1e-2, 1.0)).fit(target, train, train, seed=0).outputs(test.vectors)
    assert outputs.shape == (5, 8, 8, target.num_classes or 1)
    if target.classes:
        assert (outputs.argmax(axis=-1) == test.targets).mean() > 0.95
    else:
        assert np.abs(outputs[..., 0] - test.targets).mean() < 0.3


def test_forty_strengths_are_tried():
    strengths = protocol("linear").strengths
    assert len(strengths) == 40
    np.testing.assert_allclose([strengths[0], strengths[-1]], [1e-6, 1e4])

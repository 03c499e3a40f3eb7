"""Scores under weights against scikit-learn, one set of weights at a time, and against those of training."""

import jax
import numpy as np
import pytest
from sklearn import metrics

from mmae_jax import spec, tasks
from mmae_jax.tasks.weighted import average_precision

CLASSES = ("a", "b", "c", "d")
TARGETS = {
    "multilabel": spec.Target("multilabel", CLASSES, "labels"),
    "classif": spec.Target("classif", CLASSES, "labels"),
    "segment": spec.Target("segment", CLASSES, "labels", size=6),
    "regression": spec.Target("regression", (), "labels"),
    "height": spec.Target("regression", (), "labels", size=6, dtype="float32"),
}
SAMPLES, RESAMPLES = 40, 5


def case(name):
    """Outputs, targets and weights; the fourth class is never there, some samples are not counted."""
    target, rng = TARGETS[name], np.random.default_rng(0)
    shape = (SAMPLES, 6, 6) if target.is_raster else (SAMPLES,)
    weights = rng.integers(0, 4, (RESAMPLES, SAMPLES)).astype(np.float64)
    if target.classes:
        outputs = rng.integers(-4, 5, (*shape, 4)).astype(np.float32)  # many of them the same
        if name == "multilabel":
            targets = rng.integers(0, 2, (SAMPLES, 4), dtype=np.int32)
            targets[:, 3] = 0
        else:
            targets = rng.integers(0, 3, shape, dtype=np.int32)
        outputs += 2 * np.eye(4, dtype=np.float32)[targets] if name != "multilabel" else 0
        targets[[3, 7]] = -1
        return target, outputs, targets, weights
    numbers = rng.normal(300, 3, shape).astype(np.float32)
    outputs = (numbers + rng.normal(0, 1, shape)).astype(np.float32)[..., None]
    numbers[[3, 7]] = np.nan
    return target, outputs, numbers, weights


def samples_of(target, outputs, targets):
    task = tasks.of(target)
    counted = task.counted(target, targets, np.ones(len(targets)))
    found = jax.jit(task.by_sample, static_argnums=0)(target, outputs, targets, counted)
    return {name: np.asarray(array) for name, array in found.items()}, np.asarray(counted)


@pytest.mark.parametrize("name", TARGETS)
def test_weights_of_one_give_the_scores_of_training(name):
    target, outputs, targets, _ = case(name)
    task, (samples, _) = tasks.of(target), samples_of(target, outputs, targets)
    expected = task.scores(task.total(target, samples)).overall
    found = task.weighted(samples, np.ones((2, SAMPLES)))
    assert {name: found[name][1] for name in expected} == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["classif", "segment"])
def test_classes_that_exclude_each_other_score_as_by_scikit_learn(name):
    target, outputs, targets, weights = case(name)
    samples, counted = samples_of(target, outputs, targets)
    found = tasks.of(target).weighted(samples, weights)
    true, predicted = targets[counted], outputs.argmax(-1)[counted]
    for number, weight in enumerate(weights):
        each = np.broadcast_to(weight.reshape(-1, *(1,) * (counted.ndim - 1)), counted.shape)[counted]
        options = {"sample_weight": each, "labels": np.unique(true[each > 0]), "zero_division": 0}
        expected = {
            "overall_accuracy": metrics.accuracy_score(true, predicted, sample_weight=each),
            "balanced_accuracy": metrics.recall_score(true, predicted, average="macro", **options),
            "average_f1": metrics.f1_score(true, predicted, average="macro", **options),
            "weighted_f1": metrics.f1_score(true, predicted, average="weighted", **options),
            "average_iou": metrics.jaccard_score(true, predicted, average="macro", **options),
        }
        assert {metric: values[number] for metric, values in found.items()} == pytest.approx(expected, rel=1e-9)


def test_classes_of_several_score_as_by_scikit_learn():
    target, outputs, targets, weights = case("multilabel")
    samples, counted = samples_of(target, outputs, targets)
    found = tasks.of(target).weighted(samples, weights)
    true, scores, there = targets[counted], outputs[counted], slice(0, 3)  # the fourth class has no average precision
    for number, weight in enumerate(weights[:, counted]):
        precise = {"y_true": true[:, there], "y_score": scores[:, there], "sample_weight": weight}
        f1 = {"y_true": true, "y_pred": scores > 0, "sample_weight": weight, "zero_division": 0}
        halves = [metrics.balanced_accuracy_score(true[:, c], scores[:, c] > 0, sample_weight=weight) for c in range(3)]
        expected = {
            "average_f1": metrics.f1_score(average="macro", **f1),
            "weighted_f1": metrics.f1_score(average="weighted", **f1),
            "micro_f1": metrics.f1_score(average="micro", **f1),
            "average_ap": metrics.average_precision_score(average="macro", **precise),
            "weighted_ap": metrics.average_precision_score(average="weighted", **precise),
            "micro_ap": metrics.average_precision_score(true, scores, average="micro", sample_weight=weight),
            "balanced_accuracy": np.mean(halves),
        }
        assert {metric: values[number] for metric, values in found.items()} == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["regression", "height"])
def test_numbers_score_as_by_scikit_learn(name):
    target, outputs, numbers, weights = case(name)
    samples, counted = samples_of(target, outputs, numbers)
    found = tasks.of(target).weighted(samples, weights)
    true, predicted = numbers[counted].astype(np.float64), outputs[..., 0][counted].astype(np.float64)
    for number, weight in enumerate(weights):
        each = np.broadcast_to(weight.reshape(-1, *(1,) * (counted.ndim - 1)), counted.shape)[counted]
        expected = {
            "rmse": metrics.root_mean_squared_error(true, predicted, sample_weight=each),
            "mae": metrics.mean_absolute_error(true, predicted, sample_weight=each),
            "r2": metrics.r2_score(true, predicted, sample_weight=each),
        }
        assert {metric: values[number] for metric, values in found.items()} == pytest.approx(expected, rel=1e-4)


def test_weights_of_nothing_give_nan_quietly():
    for name in TARGETS:
        target, outputs, targets, _ = case(name)
        found = tasks.of(target).weighted(samples_of(target, outputs, targets)[0], np.zeros((1, SAMPLES)))
        assert np.isnan(np.concatenate(list(found.values()))).all(), name


def test_average_precision_of_equal_scores_is_the_share_of_positives():
    true = np.asarray([True, False, False, True])
    assert average_precision(true, np.zeros(4), np.asarray([[1.0, 1, 1, 1], [2, 0, 1, 1]])).tolist() == [0.5, 0.75]


@pytest.mark.parametrize("name", TARGETS)
def test_strata_tell_what_a_sample_has(name):
    target, outputs, targets, _ = case(name)
    counted = samples_of(target, outputs, targets)[1]
    strata = tasks.of(target).strata(target, targets, counted)
    assert len(strata) == SAMPLES
    assert not strata[[3, 7]].any()
    if target.classes:
        assert strata.any(0).tolist() == [True, True, True, False] + [True] * (name == "multilabel")
    else:
        np.testing.assert_array_equal(np.delete(strata, [3, 7], 0).sum(1), 1)
        assert strata.sum(0).min() >= 3

"""Regression against numpy and scikit-learn: errors, scores, missing numbers, and what is checked and shown."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from immutabledict import immutabledict
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from mmae_jax import losses, report, spec, tasks
from mmae_jax.checks import check_experiment
from mmae_jax.tasks.accumulator import Accumulator, summarise
from tests.experiments import TARGETS, experiment

PIXELS = spec.Target("regression", (), "height", missing_value=-1, ignored=(99,), size=6, dtype="float32")
TILE = spec.Target("regression", (), "height", missing_value=-1, ignored=(99,))


def random_batch(target, samples=20):
    """Heights about 300 that vary by metres; some are NaN, missing or ignored, a whole sample among them."""
    rng = np.random.default_rng(0)
    shape = (samples, 6, 6) if target.is_raster else (samples,)
    heights = rng.normal(300, 3, shape).astype(np.float32)
    predicted = (heights + rng.normal(0, 1, shape)).astype(np.float32)[..., None]
    for value in (np.nan, -1, 99):
        heights[rng.random(shape) < 0.1] = value
    heights[3] = np.nan
    return predicted, heights, np.isfinite(heights) & ~np.isin(heights, (-1, 99))


def scored(target, predicted, heights, size):
    """Scores in batches of `size`, the last one padded with rubbish of weight 0."""
    padding = -len(heights) % size
    weight = np.pad(np.ones(len(heights), np.float32), (0, padding))
    predicted, heights = (
        np.pad(array, [(0, padding)] + [(0, 0)] * (array.ndim - 1), constant_values=7) for array in (predicted, heights)
    )
    accumulator = Accumulator(target)
    for start in range(0, len(heights), size):
        rows = slice(start, start + size)
        accumulator.update(jax.jit(summarise, static_argnums=0)(target, predicted[rows], heights[rows], weight[rows]))
    return accumulator


@pytest.mark.parametrize("target", [PIXELS, TILE], ids=["pixels", "tile"])
@pytest.mark.parametrize("size", [20, 7])
def test_scores_are_those_of_scikit_learn_whatever_the_batches(target, size):
    predicted, heights, counted = random_batch(target)
    scores = scored(target, predicted, heights, size).result()
    true, found = heights[counted].astype(np.float64), predicted[..., 0][counted].astype(np.float64)
    expected = {
        "rmse": root_mean_squared_error(true, found),
        "mae": mean_absolute_error(true, found),
        "r2": r2_score(true, found),
    }
    assert tuple(scores.overall) == tasks.of(target).metrics
    assert scores.overall == pytest.approx(expected, rel=1e-4)
    assert len(scores.true) == counted.reshape(20, -1).any(axis=1).sum()


def test_hosts_merge_to_the_same_scores():
    predicted, heights, _ = random_batch(PIXELS)
    first, second = (scored(PIXELS, predicted[rows], heights[rows], 5) for rows in (slice(0, 10), slice(10, 20)))
    first.update(second.summary())
    assert first.result().overall == scored(PIXELS, predicted, heights, 5).result().overall


def test_nothing_counted_gives_nan():
    assert np.isnan(list(Accumulator(PIXELS).result().overall.values())).all()
    alike = scored(TILE, np.ones((4, 1), np.float32), np.full(4, 2, np.float32), 4).result()
    assert alike.overall["rmse"] == 1
    assert np.isnan(alike.overall["r2"])


@pytest.mark.parametrize(("loss", "error"), [("l1", np.abs), ("l2_norm", np.square)])
@pytest.mark.parametrize("target", [PIXELS, TILE], ids=["pixels", "tile"])
def test_errors_are_of_the_experiments_loss_and_missing_numbers_get_no_gradient(target, loss, error):
    predicted, heights, counted = random_batch(target)
    weight = np.ones(20, np.float32)
    weight[5] = 0
    counted[5] = False
    dataset = spec.Dataset("d", "1", 6.0, immutabledict(), immutabledict(height=target))

    def mean(predicted):
        found = losses.prediction_errors({"height": predicted}, {"height": heights}, weight, dataset, loss)["height"]
        return found.mean, found

    (_, found), gradient = jax.value_and_grad(mean, has_aux=True)(jnp.asarray(predicted))
    assert found.count == counted.sum()
    np.testing.assert_allclose(found.mean, error(predicted[..., 0] - heights)[counted].mean(), rtol=1e-5)
    np.testing.assert_array_equal(np.asarray(gradient)[..., 0] != 0, counted)


def test_it_is_monitored_by_the_score_of_which_more_is_better():
    of = experiment(targets=())
    targets = immutabledict({**TARGETS, "height": spec.Target("regression", (), "height", size=8, dtype="float32")})
    dataset = spec.Dataset("tiny", "1", 8.0, of.dataset.modalities, targets)

    def monitored(monitor):
        changed = dataclasses.replace(of.finetune, monitor=monitor)
        check_experiment(dataclasses.replace(of, dataset=dataset, targets=("height",), finetune=changed))

    monitored("height/r2")
    with pytest.raises(spec.SpecError, match=r"finetune.monitor: expected one of height/r2, found 'height/rmse'"):
        monitored("height/rmse")


def test_unknown_kinds_and_losses_are_named():
    of = experiment()
    targets = immutabledict({"trees": spec.Target("colour", ("a",), "x")})
    dataset = dataclasses.replace(of.dataset, targets=targets)
    with pytest.raises(spec.SpecError, match=r"dataset.targets.trees.kind: expected one of classif, .* found 'colour'"):
        check_experiment(dataclasses.replace(of, dataset=dataset, targets=("trees",)))
    with pytest.raises(spec.SpecError, match="loss: expected one of l1, l2, l1_norm, l2_norm, found 'l3'"):
        check_experiment(dataclasses.replace(of, loss="l3"))


def test_it_is_shown_and_tallied_in_whole_units():
    predicted, heights, _ = random_batch(PIXELS)
    scores = scored(PIXELS, predicted, heights, 20).result()
    figures = tasks.of(PIXELS).figures("height", PIXELS, scores)
    assert report.to_rgb(figures["values"]).std() > 5
    task, field = tasks.of(PIXELS), np.array([[1.5, 1.2], [-0.5, np.nan]])
    tally = task.tally(PIXELS, [field, np.array([[99.0, -1.0]])]) + task.tally(PIXELS, [np.array([[7.0]])])
    told = task.described(PIXELS, tally)
    intervals = {"first_edge": -1.0, "bin_width": 1.0, "counts": [1, 0, 2, 0, 0, 0, 0, 0, 1], "below": 0, "above": 0}
    assert told["histogram"] == intervals
    assert (told["values"], told["missing_fraction"]) == (4, 3 / 7)
    known = [1.5, 1.2, -0.5, 7.0]
    assert (told["mean"], told["standard_deviation"]) == pytest.approx((np.mean(known), np.std(known)))
    assert (told["minimum"], told["maximum"]) == (-0.5, 7.0)


def test_histograms_of_numbers_far_apart_stay_small_and_those_of_none_are_empty():
    task = tasks.of(TILE)
    far = task.described(TILE, task.tally(TILE, [np.float32(0)]) + task.tally(TILE, [np.float32(1e30)]))["histogram"]
    assert len(far["counts"]) <= 4096
    assert (far["counts"][0], far["counts"][-1], sum(far["counts"])) == (1, 1, 2)
    none = task.described(TILE, task.tally(TILE, [np.float32("nan")]))
    assert none["histogram"]["counts"] == []
    assert (none["values"], none["missing_fraction"], none["mean"], none["maximum"]) == (0, 1, None, None)

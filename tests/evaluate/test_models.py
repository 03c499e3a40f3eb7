"""What comes from models: their own heads, probes that are trained on them, and other configs."""

import dataclasses

import jax
import numpy as np
import pytest

from mmae_jax import tasks
from mmae_jax.data.shards import open_shards
from mmae_jax.evaluate import attentive
from mmae_jax.evaluate.candidate import open_candidate, with_new_heads
from mmae_jax.evaluate.controls import BandStatistics, Majority
from mmae_jax.evaluate.predictions import Collected, of_heads, of_vectors
from mmae_jax.evaluate.protocols.knn import NearestNeighbours
from mmae_jax.evaluate.samples import counted, labelled
from mmae_jax.models.params import HEADS, by_path
from mmae_jax.train.evaluation import evaluate
from mmae_jax.train.state import Program, begin_phase
from tests import runs
from tests.evaluate.conftest import TARGET
from tests.evaluate.vectors import BIOMASS, CLASSIF, HEIGHT, MULTILABEL, SEGMENT, clusters


def test_heads_score_as_in_training(finished, reading, tiny_experiment):
    found, known = of_heads(finished, reading, "test")
    experiment = dataclasses.replace(tiny_experiment, ema=False)
    program, mesh = Program(experiment, "probe", 1), runs.one_device()
    state = begin_phase(program, runs.random_params(experiment, mesh), mesh)
    expected = evaluate(program, state, open_shards(experiment), "test", mesh).scores[TARGET].overall
    target = experiment.dataset.targets[TARGET]
    scores = tasks.of(target).weighted(found[TARGET].samples, np.ones((1, 3)))
    assert {name: scores[name][0] for name in expected} == pytest.approx(expected, rel=1e-6)
    assert len(set(known.names.tolist())) == 3
    assert np.isfinite(known.centres).all()


def test_a_probe_is_trained_once_on_the_frozen_encoder(finished, reading, scripted):
    first = attentive.probed(finished, reading, 1.0, 3)
    (folder,) = reading.cache.iterdir()
    assert folder.name.startswith(f"attentive-{finished.model.digest}-")
    scripted.stop_before = 1
    again = attentive.probed(finished, reading, 1.0, 3)
    assert again.model.digest == first.model.digest != finished.model.digest
    before, after = (by_path(one.model.params) for one in (finished, again))
    for path, leaf in after.items():
        assert (path[0] == HEADS) != np.array_equal(leaf, before[path])
    assert (again.phase, again.trained_heads, again.where) == ("probe", (TARGET,), "RUN0")


def test_a_probe_that_is_interrupted_goes_on(finished, reading, scripted):
    scripted.stop_before = 5
    with pytest.raises(KeyboardInterrupt):
        attentive.probed(finished, reading, 1.0, 4)
    scripted.stop_before = 2  # where it would begin anew
    assert attentive.probed(finished, reading, 1.0, 4).phase == "probe"


def test_the_untrained_network_is_always_the_same(finished):
    one, other = (finished.untrained().model.digest for _ in range(2))
    assert one == other != finished.model.digest


def test_new_heads_leave_the_candidate_as_it_is(finished):
    experiment, before = finished.model.experiment, finished.model.digest
    params = with_new_heads(finished, experiment, runs.one_device())
    jax.tree.map(lambda leaf: leaf.delete(), params)
    del finished.model.__dict__["digest"]
    assert finished.model.digest == before


def test_another_config_sees_fewer_inputs(finished_run, tiny_experiment, synthetic_shards):
    fewer = runs.tiny(synthetic_shards, ("s2",))
    other = open_candidate(finished_run, None, None, fewer)
    assert tuple(other.model.experiment.inputs) == ("s2",)
    assert (other.phase, other.trained_heads) == ("finetune", (TARGET,))
    assert open_candidate(finished_run, "pretrain", None, None).trained_heads == ()


def test_untrained_heads_are_refused(evaluate, finished, monkeypatch):
    monkeypatch.setattr(
        "mmae_jax.commands.evaluate.open_candidate",
        lambda *_: dataclasses.replace(finished, trained_heads=()),
    )
    code, said, _ = evaluate("--protocol=finetuned")
    assert code == 1
    assert "--protocol=finetuned: RUN0 has no trained head for treesat_mlc_thresh; choose a phase" in said


@pytest.mark.parametrize("target", [CLASSIF, MULTILABEL, SEGMENT, BIOMASS, HEIGHT], ids=lambda one: one.field)
def test_parts_do_not_change_predictions(target, monkeypatch):
    samples = clusters(target, 12, seed=0)
    fitted = NearestNeighbours(3).fit(target, clusters(target, 20, seed=1), samples, 0)
    whole = of_vectors(target, fitted, samples)
    monkeypatch.setattr("mmae_jax.evaluate.predictions.MOST_OUTPUTS", 400)
    jax.tree.map(np.testing.assert_array_equal, of_vectors(target, fitted, samples).samples, whole.samples)
    again = of_vectors(target, fitted, samples)
    np.testing.assert_array_equal(again.places.logits, whole.places.logits)
    assert len(whole.places.targets) == 12 * (64 if target.is_raster else 1)


@pytest.mark.parametrize("target", [CLASSIF, MULTILABEL, SEGMENT, BIOMASS, HEIGHT], ids=lambda one: one.field)
def test_the_majority_says_the_same_everywhere(target):
    samples = clusters(target, 30, seed=0)
    fitted = Majority().fit(target, samples, samples, 0)
    outputs = fitted.outputs(samples.vectors)
    assert outputs.shape == (*samples.counted.shape, target.num_classes or 1)
    assert np.ptp(outputs.reshape(-1, outputs.shape[-1]), axis=0).max() == 0
    if target is BIOMASS:
        assert outputs[0, 0] == pytest.approx(samples.targets.mean(), rel=1e-5)
    if target is MULTILABEL:
        np.testing.assert_allclose(1 / (1 + np.exp(-outputs[0])), samples.targets.mean(0), rtol=1e-5)


def test_pixels_without_a_class_are_no_places():
    collected = Collected(SEGMENT)
    targets = np.zeros((2, 8, 8), np.uint8)
    targets[0, :, 1:], targets[1] = 255, 255
    target = dataclasses.replace(SEGMENT, missing_value=255)
    collected = Collected(target)
    collected.add(np.zeros((2, 8, 8, 3), np.float32), targets)
    assert len(collected.result().places.targets) == 8
    assert counted(target, targets).sum() == 8


def test_band_statistics_are_those_of_the_pixels_that_are_there(finished, reading):
    tile, patch = (reading.vectors(finished, "test", BandStatistics(per)) for per in ("tile", "patch"))
    assert tile.vectors.shape == (3, 2 * 2 * (10 + 2))
    mean, spread = tile.vectors[:, ::2], tile.vectors[:, 1::2]
    assert np.isfinite(mean).all()
    assert (spread > 0).all()
    np.testing.assert_allclose(patch.vectors[..., ::2].mean((1, 2)), mean, rtol=1e-4, atol=1e-4)


def test_labelled_vectors_are_numbers(finished, reading):
    found = reading.vectors(finished, "test", BandStatistics())
    found.vectors[0, 0] = np.nan
    usual = np.full(found.vectors.shape[1], 7, np.float32)
    labels = labelled(finished.model.experiment.dataset.targets[TARGET], TARGET, found, np.asarray([0, 2]), usual)
    assert np.isfinite(labels.vectors).all()
    assert labels.vectors[0, 0] == 7
    assert len(labels.targets) == 2

"""Embeddings: what is measured, and who is warned."""

import numpy as np
import pytest
from absl import logging

from mmae_jax import parallel
from mmae_jax.data.pipeline import eval_batches
from mmae_jax.data.shards import open_shards
from mmae_jax.models.params import abstract_model, merge
from mmae_jax.models.samples import samples_from_batch
from mmae_jax.train.monitor.health import RANK, SPREAD, embedding_health, measure, warn_of_collapse
from mmae_jax.train.monitor.log import read_entries
from mmae_jax.train.state import Program, begin_phase
from mmae_jax.train.step import embed_step
from tests import runs


def normal(samples, width, seed=0):
    return np.random.default_rng(seed).normal(size=(samples, width)).astype(np.float32)


def test_one_sample_tells_nothing_of_others():
    assert measure(normal(1, 16)) == {}


def test_rank_of_equal_singular_values_is_their_number():
    health = measure(np.repeat(np.eye(5, 8), 3, axis=0))
    assert health[RANK] == pytest.approx(5)


def test_rank_and_spread_of_random_embeddings_are_full():
    health = measure(normal(2000, 16))
    assert health[RANK] == pytest.approx(16, rel=0.01)
    assert health[SPREAD] == pytest.approx(1, rel=0.01)


def test_neither_depends_on_the_size_of_embeddings():
    embeddings = normal(50, 16) + 3
    assert measure(1000 * embeddings) == pytest.approx(measure(embeddings), rel=1e-5)


def test_same_embeddings_are_collapsed():
    health = measure(np.tile(normal(1, 16), (40, 1)) + 1e-6 * normal(40, 16, 1))
    assert health[SPREAD] < 1e-5
    assert health[RANK] == pytest.approx(1, abs=1e-3)


def test_one_direction_is_rank_one():
    health = measure(normal(40, 1) * normal(1, 16, 1))
    assert health[RANK] == pytest.approx(1, abs=1e-3)
    assert health[SPREAD] > 0.5


@pytest.mark.parametrize(("value", "rank"), [(0.0, 1.0), (np.nan, np.nan)])
def test_no_information_is_no_error(value, rank):
    health = measure(np.full((3, 4), value))
    assert health[RANK] == pytest.approx(rank, nan_ok=True)


@pytest.mark.parametrize(
    ("health", "warned"),
    [
        ({}, False),
        ({SPREAD: 0.3, RANK: 12.0}, False),
        ({SPREAD: 0.001, RANK: 12.0}, True),
        ({SPREAD: 0.3, RANK: 1.1}, True),
    ],
)
def test_collapse_is_warned_of(monkeypatch, health, warned):
    lines = []
    monkeypatch.setattr(logging, "warning", lambda message, *values: lines.append(message % values))
    warn_of_collapse(health, "pretrain, step 40")
    assert [line.partition(" rep")[0] for line in lines] == (["pretrain, step 40:"] if warned else [])


@pytest.fixture(scope="module")
def embedded(tiny_experiment):
    """Program, state and shards of `tiny_experiment`, with random parameters."""
    program, mesh = Program(tiny_experiment, "pretrain", 6), runs.one_device()
    return program, begin_phase(program, runs.random_params(tiny_experiment, mesh), mesh), open_shards(tiny_experiment)


def test_embedding_is_the_mean_of_the_tokens_that_are_there(embedded):
    program, state, shards = embedded
    experiment, mesh = program.experiment, runs.one_device()
    with eval_batches(experiment, 4, ("train",), shards) as batches:
        batch = next(batches)
    batch["valid"]["s2"][0, 1] = False
    batch["valid"]["s1_asc"][1] = False
    batch["inputs"]["s2"][0, 1] = 7  # what is not there changes nothing
    found = np.asarray(embed_step(program, state, parallel.to_devices(batch, mesh)))
    model = merge(abstract_model(experiment)[0], state.params)
    samples = samples_from_batch(batch, experiment)
    features, available = model.encoder.features(samples), model.encoder.available(samples)
    for sample in range(4):
        tokens = [np.asarray(features[n])[sample][np.asarray(available[n])[sample]] for n in features]
        expected = np.concatenate(tokens).mean(axis=0)
        np.testing.assert_allclose(found[sample], expected, rtol=2e-4, atol=2e-5)


def test_every_sample_of_the_split_counts_once(embedded):
    program, state, shards = embedded
    health = embedding_health(program, state, shards, "train", runs.one_device())
    with eval_batches(program.experiment, 12, ("train",), shards) as batches:
        batch = parallel.to_devices(next(batches), runs.one_device())
    expected = measure(np.asarray(embed_step(program, state, batch)))
    assert health == pytest.approx(expected, rel=1e-3)


def test_health_is_logged_with_evaluations(finished_run):
    entries = [entry for entry in read_entries(finished_run) if entry["split"] == "val"]
    assert {entry["phase"] for entry in entries if RANK in entry and SPREAD in entry} == {"pretrain", "finetune"}
    assert all(1 <= entry[RANK] <= 3 for entry in entries if RANK in entry), "3 samples"

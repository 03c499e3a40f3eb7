"""Evaluation equals a plain loop over single samples, whatever the batch or the number of devices."""

import dataclasses

import jax
import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from mmae_jax import parallel, spec
from mmae_jax.data.sample import eval_sample
from mmae_jax.data.shards import open_shards
from mmae_jax.models.params import abstract_model, merge
from mmae_jax.models.samples import samples_from_batch
from mmae_jax.train.evaluation import evaluate
from mmae_jax.train.state import Program, begin_phase, split_trained
from tests import runs

TARGET = "treesat_mlc_thresh"


@pytest.fixture(scope="module")
def experiment(synthetic_shards):
    return runs.tiny(synthetic_shards, ("s2",))


def evaluated(experiment, phase, batch_size, mesh, split="train"):
    """Evaluates the 12 tiles of the training split with the average of seed 2 and the parameters of seed 1."""
    experiment = runs.replaced(experiment, phase, batch_size=batch_size)
    program = Program(experiment, phase, 6)
    state = begin_phase(program, runs.random_params(experiment, mesh, 1), mesh)
    average, _ = split_trained(runs.random_params(experiment, mesh, 2), experiment, phase)
    return evaluate(program, dataclasses.replace(state, ema=average), open_shards(experiment), split, mesh)


@pytest.fixture(scope="module")
def single_samples(experiment):
    """Logits and targets of the 12 tiles, one after the other, of the parameters of both seeds."""
    graph, _ = abstract_model(experiment)

    @jax.jit
    def predict(params, batch):
        return merge(graph, params).predict(samples_from_batch(batch, experiment), train_encoder=False)[TARGET]

    params = {seed: runs.random_params(experiment, runs.one_device(), seed) for seed in (1, 2)}
    found, targets = {1: [], 2: []}, []
    for record in open_shards(experiment).source(("train",)):
        batch = jax.tree.map(lambda array: np.asarray(array)[None], eval_sample(experiment, record, 0))
        targets.append(batch["targets"][TARGET][0])
        for seed in found:
            found[seed].append(np.asarray(predict(params[seed], batch))[0].astype(np.float64))
    return {seed: np.stack(logits) for seed, logits in found.items()}, np.stack(targets)


def assert_scores(evaluation, logits, targets):
    errors = np.logaddexp(0, logits) - targets * logits
    scalars = evaluation.scalars()
    assert scalars["loss"] == pytest.approx(errors.mean(axis=1).mean(), rel=1e-5)
    assert scalars[f"loss/{TARGET}"] == pytest.approx(scalars["loss"], rel=1e-6)
    weighted = f1_score(targets, logits > 0, average="weighted", zero_division=0)
    assert scalars[f"{TARGET}/weighted_f1"] == pytest.approx(weighted)
    present = targets.any(axis=0)
    precision = average_precision_score(targets[:, present], logits[:, present], average="macro")
    assert scalars[f"{TARGET}/average_ap"] == pytest.approx(precision)


@pytest.mark.parametrize("batch_size", [4, 5])
def test_finetuning_evaluates_its_average_over_all_samples(experiment, single_samples, batch_size):
    logits, targets = single_samples
    assert_scores(evaluated(experiment, "finetune", batch_size, runs.one_device()), logits[2], targets)


def test_probing_evaluates_its_parameters(experiment, single_samples):
    logits, targets = single_samples
    assert_scores(evaluated(experiment, "probe", 5, runs.one_device()), logits[1], targets)


def test_eight_devices_evaluate_the_same(experiment, single_samples):
    logits, targets = single_samples
    assert_scores(evaluated(experiment, "finetune", 8, parallel.make_mesh(spec.Mesh())), logits[2], targets)


def test_eight_devices_reconstruct_the_same(experiment):
    found, expected = (
        evaluated(experiment, "pretrain", 8, mesh).scalars()
        for mesh in (parallel.make_mesh(spec.Mesh()), runs.one_device())
    )
    assert set(found) == {"loss", "loss/s2"}
    assert found == pytest.approx(expected, rel=1e-6)

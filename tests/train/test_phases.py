"""What a phase trains, and what it leaves alone."""

import dataclasses

import numpy as np
import pytest

from mmae_jax.models.params import abstract_model, by_path, named
from mmae_jax.train import phase as phase_module
from mmae_jax.train.state import (
    Program,
    abstract_state,
    averaged_params,
    begin_phase,
    split_trained,
)
from mmae_jax.train.step import update_ema
from mmae_jax.weights.checkpoint import load_params
from mmae_jax.weights.drawing import new_params
from mmae_jax.weights.result import read_result
from tests import runs

PHASES = ("pretrain", "probe", "finetune")


@pytest.fixture(scope="module")
def params(tiny_experiment, finished_run):
    """Parameters by path: new ones, and after each phase."""
    mesh = runs.one_device()
    found = {"new": new_params(tiny_experiment, mesh)}
    for phase in PHASES:
        step = read_result(finished_run, phase).step
        found[phase] = load_params(finished_run / phase / "checkpoints", step, tiny_experiment, mesh, averaged=False)
    return {name: {path: np.asarray(leaf) for path, leaf in by_path(tree).items()} for name, tree in found.items()}


@pytest.mark.parametrize(
    ("phase", "before", "kept"),
    [
        ("pretrain", "new", {"heads"}),
        ("probe", "pretrain", {"patch_embed", "encoder", "encoder_inter", "decoder", "mask_token", "embed_to_rec"}),
        ("finetune", "probe", {"decoder", "mask_token", "embed_to_rec"}),
    ],
)
def test_phase_changes_what_it_trains_and_no_bit_else(tiny_experiment, params, phase, before, kept):
    changed = {path for path in params[phase] if params[phase][path].tobytes() != params[before][path].tobytes()}
    assert changed == {path for path in params[phase] if path[0] not in kept}
    trained, _ = split_trained(abstract_model(tiny_experiment)[1], tiny_experiment, phase)
    assert changed == set(by_path(trained))


def test_average_is_updated_at_the_end_of_each_epoch(scripted, synthetic_shards, tmp_path):
    steps = []
    scripted.setattr(
        phase_module,
        "update_ema",
        lambda program, state: (steps.append((program.phase, int(state.step))), state)[1],
    )
    runs.run(runs.tiny(synthetic_shards, ("s1_asc",)), tmp_path)
    assert steps == [(phase, step) for phase in PHASES for step in (3, 6)]


@pytest.mark.parametrize(("epochs", "momentum"), [(2, 0.0), (5, 0.0), (20, 0.75)])
def test_average_moves_by_the_momentum(synthetic_shards, epochs, momentum):
    experiment = runs.tiny(synthetic_shards, ("s1_asc",), finetune__epochs=epochs)
    mesh = runs.one_device()
    program = Program(experiment, "finetune", 3 * epochs)
    before, after = (by_path(runs.random_params(experiment, mesh, seed)) for seed in (1, 2))
    state = begin_phase(program, runs.random_params(experiment, mesh, 1), mesh)
    assert_averages(state, before)
    state = update_ema(program, dataclasses.replace(state, params=runs.random_params(experiment, mesh, 2)))
    assert_averages(state, {path: momentum * before[path] + (1 - momentum) * after[path] for path in before})


def assert_averages(state, expected):
    averages = by_path(state.ema)
    assert {path[0] for path in averages} == {"patch_embed", "encoder", "encoder_inter", "heads"}
    for path, average in averages.items():
        np.testing.assert_allclose(average, expected[path], rtol=1e-6, atol=1e-7)


def test_average_begins_anew_with_each_phase(tiny_experiment, finished_run):
    for phase in PHASES:
        state = runs.state_of(tiny_experiment, finished_run, phase)
        trained, _ = split_trained(state.params, tiny_experiment, phase)
        runs.assert_same(state.ema, trained)  # 2 epochs: the momentum is 0


def test_without_average_there_is_none(synthetic_shards):
    experiment = runs.tiny(synthetic_shards, ("s1_asc",), ema=False)
    program, mesh = Program(experiment, "finetune", 6), runs.one_device()
    state = begin_phase(program, runs.random_params(experiment, mesh), mesh)
    assert state.ema is None
    runs.assert_same(averaged_params(state, experiment, "finetune"), state.params)


@pytest.mark.parametrize("phase", PHASES)
def test_moments_are_of_what_the_phase_trains(tiny_experiment, phase):
    state = abstract_state(Program(tiny_experiment, phase, 6), runs.one_device())
    moments = [name for name in named(state.opt_state) if ".mu." in name]
    trained, _ = split_trained(state.params, tiny_experiment, phase)
    assert {name.partition(".mu.")[2] for name in moments} == set(named(trained))

"""Weights are opened in one place: which phase, step and average of a run, and what files say about themselves."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mmae_jax.models.params import by_path
from mmae_jax.spec import SpecError
from mmae_jax.train.state import averaged_params
from mmae_jax.weights.export import export
from mmae_jax.weights.result import read_result
from mmae_jax.weights.source import open_weights
from mmae_jax.weights.tensor_file import WeightsError
from tests import runs


@pytest.fixture(scope="module")
def exported(finished_run, tmp_path_factory):
    file = tmp_path_factory.mktemp("export") / "weights.safetensors"
    export(finished_run, file)
    return file


def test_a_run_gives_what_its_last_phase_was_scored_by(tiny_experiment, finished_run):
    weights = open_weights(finished_run)
    state = runs.state_of(tiny_experiment, finished_run, "finetune")
    assert read_result(finished_run, "finetune").averaged
    runs.assert_same(weights.on(runs.one_device()), averaged_params(state, tiny_experiment, "finetune"))
    assert weights.experiment == tiny_experiment
    assert weights.contract == tiny_experiment.dataset
    assert str(weights.where) == str(finished_run / "finetune" / "checkpoints")


def test_phase_step_and_average_of_a_run_are_chosen(tiny_experiment, finished_run):
    expected = runs.state_of(tiny_experiment, finished_run, "probe").params
    runs.assert_same(open_weights(finished_run, "probe", averaged=False).on(runs.one_device()), expected)
    step = read_result(finished_run, "pretrain").step
    earlier = runs.state_of(tiny_experiment, finished_run, "pretrain", step)
    runs.assert_same(open_weights(finished_run, "pretrain", step).on(runs.one_device()), earlier.params)
    averaged = open_weights(finished_run, "pretrain", step, averaged=True).on(runs.one_device())
    runs.assert_same(averaged, averaged_params(earlier, tiny_experiment, "pretrain"))


def test_an_export_gives_the_arrays_of_its_run(tiny_experiment, finished_run, exported):
    found, expected = open_weights(exported), open_weights(finished_run)
    assert found.experiment == tiny_experiment
    assert str(found.where) == str(exported)
    expected_arrays = expected.arrays()
    assert {path: array.tobytes() for path, array in found.arrays().items()} == {
        path: array.tobytes() for path, array in expected_arrays.items()
    }
    assert all(isinstance(array, np.ndarray) for array in expected_arrays.values())


def test_a_file_that_does_not_say_its_experiment_needs_one(tiny_experiment, exported, tmp_path):
    save_file(load_file(exported), tmp_path / "bare.safetensors")
    bare = open_weights(tmp_path / "bare.safetensors")
    assert bare.experiment is None
    assert bare.contract is None
    with pytest.raises(WeightsError, match=r"bare.safetensors: does not say for which experiment"):
        bare.on(runs.one_device())
    params = bare.on(runs.one_device(), tiny_experiment)
    expected = open_weights(exported).arrays()
    assert {path: np.asarray(leaf).tobytes() for path, leaf in by_path(params).items()} == {
        path: array.tobytes() for path, array in expected.items()
    }


@pytest.mark.parametrize(
    ("choice", "message"),
    [({"phase": "probe"}, "phase"), ({"step": 3}, "step"), ({"averaged": True}, "averaged")],
)
def test_there_is_nothing_to_choose_in_a_file(exported, choice, message):
    with pytest.raises(WeightsError, match=rf"weights.safetensors: one set of weights; {message} can be chosen in"):
        open_weights(exported, **choice)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", "nowhere not found"),
        ("", r"expected a finished phase \(pretrain or probe or finetune\), found none"),
    ],
)
def test_what_holds_no_weights_is_named(tmp_path, name, message):
    with pytest.raises(SpecError, match=message):
        open_weights(tmp_path / name)


def test_a_phase_that_is_none_is_named(tmp_path):
    with pytest.raises(WeightsError, match=r"no phase 'prob'; expected one of pretrain, probe, finetune.*probe"):
        open_weights(tmp_path, "prob")

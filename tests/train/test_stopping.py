"""Early stopping and the choice of a checkpoint, with scripted evaluations."""

import math

import pytest

from mmae_jax.train.monitor.log import read_entries
from mmae_jax.weights.checkpoint import Checkpoints
from mmae_jax.weights.progress import Progress
from mmae_jax.weights.result import read_result
from tests import runs

# 3 steps an epoch: the values of epochs 1, 2, … are those after steps 3, 6, …
BEST_IS_SECOND = {3: 0.5, 6: 0.9, 9: 0.6, 12: 0.7, 15: 0.8, 18: 0.95}


@pytest.fixture
def experiment(synthetic_shards):
    settings = {"finetune__epochs": 6, "finetune__patience": 3, "logging__checkpoint_every_steps": 1000}
    return runs.tiny(synthetic_shards, ("s1_asc",), phases=("finetune",), **settings)


def evaluated_steps(workdir):
    return [entry["step"] for entry in read_entries(workdir) if entry["split"] == "val"]


def kept_checkpoints(workdir):
    names = {path.name for path in (workdir / "finetune" / "checkpoints").iterdir()}
    return {int(name) for name in names - {"metadata"}}


def test_stops_after_patience_takes_the_best_checkpoint_and_trains_no_further(scripted, experiment, tmp_path):
    scripted.scores = BEST_IS_SECOND
    runs.run(experiment, tmp_path)
    assert evaluated_steps(tmp_path) == [3, 6, 9, 12, 15]
    result = read_result(tmp_path, "finetune")
    assert (result.step, result.averaged) == (6, True)
    assert result.scores["val"]["treesat_mlc_thresh/weighted_f1"] == 0.9
    last = read_entries(tmp_path)[-1]
    assert (last["split"], last["treesat_mlc_thresh/weighted_f1"]) == ("test", 0.9), (
        "the checkpoint of step 6 is tested"
    )
    assert runs.steps_done(runs.state_of(experiment, tmp_path, "finetune")) == 6
    assert kept_checkpoints(tmp_path) == {6, 12, 15}, "the best, and the latest two"

    # Without its result it evaluates again, and does not train.
    result = tmp_path / "finetune" / "result.json"
    before, lines = result.read_text(), (tmp_path / "metrics.jsonl").read_text()
    result.unlink()
    scripted.stop_before = 16
    runs.run(experiment, tmp_path)
    assert result.read_text() == before
    assert (tmp_path / "metrics.jsonl").read_text() == lines


@pytest.mark.parametrize("stop_before", [5, 10, 13])
def test_interruption_changes_neither_count_nor_choice(scripted, experiment, tmp_path, stop_before):
    scripted.scores, scripted.stop_before = BEST_IS_SECOND, stop_before
    with pytest.raises(KeyboardInterrupt):
        runs.run(experiment, tmp_path)
    scripted.stop_before = None
    runs.run(experiment, tmp_path)
    assert evaluated_steps(tmp_path) == [3, 6, 9, 12, 15]
    assert read_result(tmp_path, "finetune").step == 6
    assert runs.steps_done(runs.state_of(experiment, tmp_path, "finetune")) == 6


def test_without_patience_all_epochs_are_trained(scripted, experiment, tmp_path):
    scripted.scores = BEST_IS_SECOND
    runs.run(runs.replaced(experiment, "finetune", patience=None), tmp_path)
    assert evaluated_steps(tmp_path) == [3, 6, 9, 12, 15, 18]
    assert read_result(tmp_path, "finetune").step == 18


def test_epochs_between_evaluations_are_trained_all_the_same(scripted, experiment, tmp_path):
    scripted.scores = {12: 0.9, 18: 0.8}
    every = runs.replaced(experiment, "finetune", evaluate_every=4, patience=None)
    scripted.stop_before = 14
    with pytest.raises(KeyboardInterrupt):
        runs.run(every, tmp_path)
    scripted.stop_before = None
    runs.run(every, tmp_path)
    assert evaluated_steps(tmp_path) == [12, 18], "the last epoch is evaluated, too"
    assert kept_checkpoints(tmp_path) == {12, 18}
    assert read_result(tmp_path, "finetune").step == 12


def test_patience_counts_epochs_however_rarely_they_are_evaluated(scripted, experiment, tmp_path):
    scripted.scores = {6: 0.9, 12: 0.8, 18: 0.95}
    runs.run(runs.replaced(experiment, "finetune", evaluate_every=2, patience=2), tmp_path)
    assert evaluated_steps(tmp_path) == [6, 12]


def test_nan_is_never_best(scripted, experiment, tmp_path):
    scripted.scores = {3: math.nan, 6: 0.2, 9: math.nan, 12: math.nan, 15: math.nan}
    runs.run(experiment, tmp_path)
    assert read_result(tmp_path, "finetune").step == 6


def test_only_nan_takes_the_last_checkpoint(scripted, experiment, tmp_path):
    scripted.scores = dict.fromkeys(range(3, 19, 3), math.nan)
    runs.run(experiment, tmp_path)
    result = read_result(tmp_path, "finetune")
    assert result.step == 9
    assert math.isnan(result.scores["val"]["treesat_mlc_thresh/weighted_f1"])


def test_phase_without_monitor_takes_the_last_checkpoint(scripted, experiment, tmp_path):
    scripted.scores = BEST_IS_SECOND
    runs.run(runs.replaced(experiment, "finetune", monitor=None, patience=None), tmp_path)
    assert read_result(tmp_path, "finetune").step == 18
    assert kept_checkpoints(tmp_path) == {15, 18}


def test_progress():
    progress = Progress().after(0.5, 3).after(0.5, 6).after(math.nan, 9)
    assert progress == Progress(0.5, 3, 2), "as good is no improvement"
    assert progress.after(0.6, 12) == Progress(0.6, 12, 0)


def test_progress_is_stored_with_each_checkpoint(scripted, experiment, tmp_path):
    scripted.scores, scripted.stop_before = BEST_IS_SECOND, 14
    with pytest.raises(KeyboardInterrupt):
        runs.run(experiment, tmp_path)
    with Checkpoints(tmp_path / "finetune" / "checkpoints", experiment, "finetune") as checkpoints:
        assert checkpoints.latest_step == 12
        assert checkpoints.progress(12) == Progress(0.9, 6, 2)
        assert checkpoints.progress(6) == Progress(0.9, 6, 0)

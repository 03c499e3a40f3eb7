"""Training from the command line, as a user starts it."""

import json
import subprocess

import pytest

from mmae_jax.weights.export import state_dict
from tests import runs


@pytest.fixture
def refuse(tmp_path, synthetic_shards):
    """Returns the message with which training refuses arguments."""

    def refused(*arguments):
        message = runs.main(tmp_path / "run", f"--config.data.dir={synthetic_shards}", *arguments)
        assert message.startswith("error: ")
        return message.removeprefix("error: ")

    return refused


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--config.model.inter_depth=2", "model.inter_depth: expected 0 to 1, found 2"),
        ("--config.model.fusion=all", "model.fusion: expected one of shared, monotemp, mod, group, found 'all'"),
        ("--config.mask.ratio=1.0", "mask.ratio: expected a number in [0, 1), found 1.0"),
        ("--config.finetune.monitor=trees/f1", "finetune.monitor: expected one of treesat_mlc_thresh/average_f1"),
        (
            "--config.phases=('probe', 'pretrain')",
            "phases: expected one or more of pretrain, probe, finetune, each once",
        ),
        ("--config.inputs.s2.image_size=7", "inputs.s2.image_size: expected a multiple of patch_size 2, found 7"),
        ("--config.mesh.fsdp=3", "mesh: expected sizes whose product is 1 devices"),
        ("--config.data.dir=nowhere", "data.dir: nowhere is not a folder"),
        ("--config.init_from=nowhere.safetensors", "init_from: nowhere.safetensors not found"),
    ],
)
def test_mistakes_are_named_before_the_first_step(refuse, tmp_path, argument, message):
    assert refuse(argument).startswith(message)
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_absent_split_is_named(refuse):
    message = refuse("--config.pretrain.train_splits=('train', 'extra')")
    assert "train_splits: expected a split extra in" in message


def test_a_finished_run_is_left_as_it_is(finished_run, tiny_experiment):
    before = {path: path.stat().st_mtime_ns for path in finished_run.rglob("*") if path.is_file()}
    runs.run(tiny_experiment, finished_run)
    assert {path: path.stat().st_mtime_ns for path in finished_run.rglob("*") if path.is_file()} == before


def test_a_run_leaves_results_figures_and_curves(finished_run):
    for phase in ("pretrain", "probe", "finetune"):
        result = json.loads((finished_run / phase / "result.json").read_text())
        assert (result["phase"], result["step"]) == (phase, 6 if phase != "finetune" else result["step"])
        assert set(result["scores"]) == {"val", "test"}
        assert (finished_run / "figures" / phase / "curves.png").stat().st_size > 1000
        assert list((finished_run / "tensorboard" / phase).iterdir())
    figures = {path.name for path in (finished_run / "figures" / "pretrain").iterdir()}
    assert {"reconstruction_s2.png", "reconstruction_s1_asc.png"} <= figures
    assert (finished_run / "figures" / "finetune" / "treesat_mlc_thresh_confusion.png").exists()


def test_result_is_what_was_logged(finished_run):
    entries = [json.loads(line) for line in (finished_run / "metrics.jsonl").read_text().splitlines()]
    for phase in ("pretrain", "probe", "finetune"):
        scores = json.loads((finished_run / phase / "result.json").read_text())["scores"]["test"]
        (tested,) = (entry for entry in entries if entry["phase"] == phase and entry["split"] == "test")
        assert {name: tested[name] for name in scores} == scores


def test_a_workdir_may_be_relative(scripted, synthetic_shards, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments = [f"--config.data.dir={synthetic_shards}", "--config.phases=('pretrain',)"]
    assert runs.main("run", *arguments) == ""
    assert (tmp_path / "run" / "pretrain" / "result.json").exists()
    assert runs.main("run", *arguments[:1], "--config.phases=('probe',)") == ""
    _, experiment = state_dict("run")
    assert experiment.phases == ("probe",)


def test_a_process_exits_with_1_and_without_traceback(synthetic_shards, tmp_path):
    arguments = [f"--config.data.dir={synthetic_shards}", "--config.mask.ratio=2.0"]
    process = runs.training_process(tmp_path / "run", *arguments, stdin=subprocess.DEVNULL)
    _, errors = process.communicate()
    assert process.returncode == 1
    assert errors.splitlines()[-1] == "error: mask.ratio: expected a number in [0, 1), found 2.0"
    assert "Traceback" not in errors

"""The quickstart, at tiny size, by its command line."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors import safe_open

from configs import quickstart
from mmae_jax.command_line import program as command_line
from mmae_jax.command_line.config_file import load_experiment
from mmae_jax.command_line.parser import Parser, parse
from mmae_jax.commands import quickstart as command
from mmae_jax.config import experiment_from_config
from mmae_jax.weights import torch_names
from mmae_jax.weights.source import open_weights
from tests import compilation, runs

ROOT = Path(__file__).parents[2]
TILES = 18
TARGET = "treesat_mlc_thresh"


def start(workdir: Path, tiles: int) -> subprocess.CompletedProcess[str]:
    """Runs the quickstart on one device."""
    options = {"cwd": ROOT, "env": compilation.environment(), "capture_output": True, "text": True}
    return subprocess.run([sys.executable, "-m", "mmae_jax", *arguments(workdir, tiles)], **options)


def arguments(workdir: Path, tiles: int) -> list[str]:
    return ["quickstart", f"--config={ROOT}/configs/quickstart.py:runlocal", f"--workdir={workdir}", f"--tiles={tiles}"]


def summary_of(printed: str) -> str:
    return printed[printed.index(f"{TARGET}/weighted_ap on {TILES // 6} test tiles") :]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Workdir and summary of a finished quickstart."""
    workdir = tmp_path_factory.mktemp("quickstart")
    done = start(workdir, TILES)
    assert done.returncode == 0, done.stderr[-3000:]
    return workdir, summary_of(done.stdout)


def files(workdir: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in workdir.rglob("*") if path.is_file()}


def entries(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_summary_tells_the_scores_with_intervals_and_names_what_is_there(finished):
    workdir, summary = finished
    rows = [line for line in summary.splitlines() if line]
    assert rows[0] == f"{TARGET}/weighted_ap on 3 test tiles, with its 95 % interval"
    frozen, finetuned = (
        json.loads((workdir / "pretrained" / "evaluation" / name / "results.json").read_text())
        for name in ("frozen", "finetuned")
    )
    shown = {
        "frozen vectors, pretrained": "checkpoint",
        "frozen vectors, untrained": "untrained",
        "statistics of the bands": "band_statistics",
    }
    for row, (name, of) in zip(rows[2:5], shown.items(), strict=True):
        values = [one["scores"]["weighted_ap"]["value"] for one in frozen["results"] if one["of"] == of]
        assert row.startswith(name)
        assert re.findall(r"(\d\.\d\d) \[", row) == [f"{value:.2f}" for value in values]
    scores = {one["of"]: one["scores"]["weighted_ap"]["value"] for one in finetuned["results"]}
    scratch = scores[str(workdir / "no_ssl")]
    assert re.findall(r"([+-]?\d\.\d\d) \[", "\n".join(rows[6:9])) == [
        f"{scores['checkpoint']:.2f}",
        f"{scratch:.2f}",
        f"{scores['checkpoint'] - scratch:+.2f}",
    ]
    places = [word.rstrip(",") for row in rows[9:] for word in row.split() if word.startswith(str(workdir))]
    assert len(places) >= 8
    assert all(Path(place).exists() for place in places)


def test_both_models_take_as_many_steps_and_see_the_same_labels(finished):
    workdir, _ = finished
    steps = {run: [entry["step"] for entry in entries(workdir / run)] for run in ("pretrained", "no_ssl")}
    pretrain = [e["step"] for e in entries(workdir / "pretrained") if e["phase"] == "pretrain"]
    assert max(steps["no_ssl"]) >= max(pretrain) + 1
    settings = [open_weights(workdir / run, "finetune").experiment.finetune for run in steps]
    assert settings[0].label_fraction == settings[1].label_fraction < 1


def test_every_phase_is_logged(finished):
    workdir, _ = finished
    for run, phases in (("pretrained", ("pretrain", "finetune")), ("no_ssl", ("finetune",))):
        logged = entries(workdir / run)
        assert list(dict.fromkeys(entry["phase"] for entry in logged)) == list(phases)
        for phase in phases:
            splits = {entry["split"] for entry in logged if entry["phase"] == phase}
            assert splits == {"train", "val", "test"}
            assert list((workdir / run / "tensorboard" / phase).glob("events.out.tfevents.*"))


def test_figures_are_drawn(finished):
    workdir, _ = finished
    figures = workdir / "pretrained" / "figures"
    drawn = {path.relative_to(figures).as_posix() for path in figures.rglob("*.png")}
    expected = {f"{phase}/curves.png" for phase in ("pretrain", "finetune")}
    assert drawn == expected | {f"finetune/{TARGET}_{kind}.png" for kind in ("classes", "confusion")}
    assert (workdir / "report.html").stat().st_size > 100_000


def test_weights_have_the_names_of_the_reference(finished):
    workdir, _ = finished
    experiment = experiment_from_config(quickstart.get_config("runlocal"))
    with safe_open(str(workdir / "weights.safetensors"), framework="numpy") as tensors:
        found = {name: tensors.get_tensor(name).shape for name in tensors.keys()}  # noqa: SIM118
        stored = experiment_from_config(json.loads(tensors.metadata()["experiment"]))
    assert found == {weight.name: weight.shape for weight in torch_names.weights(experiment)}
    assert stored.dataset == experiment.dataset


def test_a_second_run_changes_nothing(finished, capsys, monkeypatch):
    workdir, summary = finished
    before = files(workdir)
    runs.only_one_device(monkeypatch)
    assert command_line.main(arguments(workdir, TILES)) == 0
    assert summary_of(capsys.readouterr().out) == summary
    assert files(workdir) == before


def test_other_tiles_in_the_same_folder_are_refused(finished, capsys, monkeypatch):
    workdir, _ = finished
    before = files(workdir)
    runs.only_one_device(monkeypatch)
    assert command_line.main(arguments(workdir, 24)) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: --tiles: ")
    assert "holds 18 tiles, expected 24" in last
    assert files(workdir) == before


def test_the_command_line_may_be_empty():
    parser = Parser()
    command.add_arguments(parser)
    options = parse(parser, [])
    assert load_experiment(options.config, options.overrides) == experiment_from_config(quickstart.get_config())

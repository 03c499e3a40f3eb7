"""A finished phase is trained for more epochs, and a run says at its end what it leaves."""

import dataclasses
import json

import pytest
from absl import logging

from mmae_jax.spec import SpecError
from mmae_jax.train import phase as phase_module
from mmae_jax.train.ending import ending
from mmae_jax.weights.result import read_result
from tests import runs

SCORES = {3: 0.25, 6: 0.5}


@pytest.fixture
def experiment(synthetic_shards):
    return runs.tiny(synthetic_shards, ("s1_asc",), phases=("finetune",), finetune__epochs=1)


@pytest.fixture
def lines(monkeypatch):
    found = []

    def info(message, *values):
        if isinstance(message, str):  # libraries log dictionaries
            found.append(message % values)

    monkeypatch.setattr(logging, "info", info)
    return found


def test_a_finished_phase_goes_on_where_more_epochs_are_asked_for(scripted, experiment, lines, tmp_path):
    scripted.scores = SCORES
    runs.run(experiment, tmp_path)
    step = read_result(tmp_path, "finetune").step
    longer = runs.replaced(experiment, "finetune", epochs=2)
    lines.clear()
    runs.run(longer, tmp_path)
    assert f"finetune: finished after {step} of now {2 * step} steps, goes on; its learning rate, too" in lines
    assert read_result(tmp_path, "finetune").step == 2 * step
    lines.clear()
    runs.run(longer, tmp_path)
    assert any(line.startswith("finetune is finished, see ") for line in lines)


def test_a_phase_from_which_another_began_does_not_go_on(scripted, experiment, tmp_path):
    both = dataclasses.replace(runs.replaced(experiment, "probe", epochs=1), phases=("probe", "finetune"))
    runs.run(both, tmp_path)
    with pytest.raises(SpecError, match=r"^probe\.epochs: expected 1, as finetune in .* began from them, found 2"):
        runs.run(runs.replaced(both, "probe", epochs=2), tmp_path)


@pytest.mark.parametrize(("without", "drawn"), [((), "test"), (("test",), "val")])
def test_scores_are_drawn_of_the_test_split_else_of_val(scripted, experiment, tmp_path, monkeypatch, without, drawn):
    has_samples = phase_module.Shards.has_samples
    monkeypatch.setattr(
        phase_module.Shards, "has_samples", lambda shards, split: split not in without and has_samples(shards, split)
    )
    evaluated, figures = [], []
    evaluate = phase_module.evaluate
    monkeypatch.setattr(
        phase_module, "evaluate", lambda *arguments, **named: evaluated.append(arguments[3]) or evaluate(*arguments)
    )
    monkeypatch.setattr(phase_module.figures, "write_scores", lambda *_: figures.append(evaluated[-1]))
    runs.run(experiment, tmp_path)
    assert figures == [drawn]


def test_a_run_ends_with_its_score_its_figures_and_the_next_command(experiment, tmp_path):
    folder = tmp_path / "figures" / "finetune"
    folder.mkdir(parents=True)
    (folder / "curves.png").write_bytes(b"")
    (tmp_path / "finetune").mkdir()
    scores = {"test": {"loss": 0.5, "trees/weighted_f1": 0.25}}
    result = {"phase": "finetune", "step": 3, "averaged": True, "scores": scores}
    (tmp_path / "finetune" / "result.json").write_text(json.dumps(result))
    assert list(ending(experiment, tmp_path)) == [
        "finetune, step 3, test: trees/weighted_f1=0.25",
        f"finetune, figures: {folder}: curves.png",
        f"next: python -m mmae_jax export --workdir={tmp_path} --out={tmp_path / 'weights.safetensors'}",
    ]

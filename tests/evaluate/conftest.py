"""A model with random weights for its heads, too, and the command on it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmae_jax import spec
from mmae_jax.command_line import program
from mmae_jax.commands import evaluate as command
from mmae_jax.evaluate import evaluation
from mmae_jax.evaluate.candidate import Candidate
from mmae_jax.evaluate.protocols.knn import NearestNeighbours
from mmae_jax.evaluate.samples import Reading
from mmae_jax.pretrained import Pretrained
from tests import runs

TARGET = "treesat_mlc_thresh"


def made(experiment: spec.Experiment, seed: int = 0) -> Candidate:
    mesh = runs.one_device()
    model = Pretrained(experiment, runs.random_params(experiment, mesh, seed), mesh)
    return Candidate(model, f"RUN{seed}", "finetune", experiment.targets)


@pytest.fixture(scope="session")
def finished(tiny_experiment: spec.Experiment) -> Candidate:
    """A model whose heads are trained, as far as one can tell."""
    return made(tiny_experiment)


@pytest.fixture
def reading(synthetic_shards: Path, tmp_path: Path) -> Reading:
    return Reading(str(synthetic_shards), (TARGET,), batch=3, workers=0, cache=tmp_path / "cache")


@pytest.fixture
def evaluate(finished, tiny_experiment, synthetic_shards, monkeypatch, capsys, tmp_path):
    """Runs the command; returns exit code, what it says, and what it wrote."""

    other = made(tiny_experiment, seed=1)

    def opened(path, phase, averaged, config):
        return other if path == "OTHER" else finished

    monkeypatch.setattr(command, "open_candidate", opened)
    monkeypatch.setattr(evaluation, "protocol", lambda name, preset: NearestNeighbours(neighbours=3))

    def run(*arguments, out="out"):
        folder = tmp_path / out
        options = [f"--shards={synthetic_shards}", f"--out={folder}", "--workers=0", "--bootstrap=20"]
        options += [f"--cache={tmp_path / 'cache'}", "--protocol=knn"]
        code = program.main(["evaluate", "--checkpoint=RUN", *options, *map(str, arguments)])
        captured = capsys.readouterr()
        if code:
            return code, captured.err.splitlines()[-1], {}
        return code, captured.out, json.loads((folder / "results.json").read_text())

    return run

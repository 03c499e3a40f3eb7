"""`bench attention`: the shapes of configs, and kernels that compute something else are found."""

import json

import jax
import jax.numpy as jnp
import pytest

from mmae_jax.bench import attention
from mmae_jax.bench.attention import Shape, outcome, shapes, xla
from mmae_jax.commands.command_line import main
from mmae_jax.commands.config_file import load_experiment
from tests import experiments, runs

SHORT = Shape(8, 2, 4)


def test_the_shapes_are_those_of_the_model():
    experiment = load_experiment(str(runs.ROOT / "configs" / "treesatai_ts.py"))
    found = {shape: shape.uses for shape in shapes([("config", experiment)])}
    dataset = experiment.dataset.name
    # aerial: 15 × 15 patches; s2: 16 dates of 3 × 3; s1: 2 orbits × 4 dates of 3 × 3. A quarter is visible.
    assert [shape.length for shape in found if shape.heads == 12] == [441, 225, 144, 110, 72, 56, 36, 18]
    assert [shape.length for shape in found if shape.heads == 16] == [225, 144, 72]
    assert found[Shape(225, 16, 32)] == (f"{dataset} decoder_aerial",)
    assert found[Shape(441, 12, 64)] == (f"{dataset} joint of all",)
    assert found[Shape(56, 12, 64)] == (f"{dataset} encoder_aerial of visible",)


@pytest.mark.parametrize(("fusion", "inter_depth"), experiments.EACH_FUSION)
def test_shapes_follow_the_fusion_mode(fusion, inter_depth):
    found = shapes([("tiny", experiments.experiment(fusion=fusion, inter_depth=inter_depth))])
    joint = [use for shape in found for use in shape.uses if "joint" in use]
    assert len(joint) == (2 if inter_depth else 0)
    assert max(shape.length for shape in found) == (4 if not inter_depth else 4 + 2 * 3 * 4 + 2 * 2 * 4)


def doubled(q, k, v, valid):
    return xla(q, k, v, valid) * 2


def nan_backward(q, k, v, valid):
    return xla(q, k, v, valid) + jnp.sqrt(q - jax.lax.stop_gradient(q))


def without_mask(q, k, v, valid):
    return xla(q, k, v, jnp.ones_like(valid))


def refuses(q, k, v, valid):
    raise NotImplementedError("Unsupported sequence length Q 8, KV 8\nand more")


@pytest.mark.parametrize("wrong", [doubled, nan_backward, without_mask])
def test_what_differs_from_float32_is_found(wrong):
    assert not outcome(SHORT, "wrong", wrong, rows=5).agrees


def test_rounding_is_no_difference():
    found = outcome(SHORT, "xla", xla, rows=7)
    assert found.agrees
    assert found.errors == found.rounding
    assert 0 < max(found.errors) < 0.05
    assert found.seconds > 0


def test_what_is_refused_is_said():
    assert outcome(SHORT, "short", refuses, rows=2).refused == "Unsupported sequence length Q 8, KV 8"


def test_a_table_is_printed_and_a_wrong_kernel_fails(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(attention, "shapes", lambda _: [SHORT])
    monkeypatch.setattr(attention, "kernels", lambda _: {"xla": xla, "wrong": doubled, "short": refuses})
    arguments = ("bench", "attention", f"--config={runs.CONFIG}", "--batch=5", f"--json={tmp_path / 'found.json'}")
    assert main(arguments) == 1
    printed = capsys.readouterr()
    assert "expected what float32 computes, found something else of wrong at length 8" in printed.err
    assert "WRONG" in printed.out
    assert "Unsupported sequence length" in printed.out
    rows = json.loads((tmp_path / "found.json").read_text())["found"]["rows"]
    assert [(row["kernel"], row["agrees"], row["refused"] == "") for row in rows] == [
        ("xla", True, True),
        ("wrong", False, True),
        ("short", True, False),
    ]

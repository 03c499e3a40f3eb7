"""`bench attention`: the shapes of configs, and kernels that compute something else are found."""

import functools
import json
import types

import jax
import jax.numpy as jnp
import pytest

from mmae_jax.bench import attention as bench
from mmae_jax.bench.attention import Shape, kernels, outcome, shapes
from mmae_jax.command_line.config_file import load_experiment
from mmae_jax.command_line.program import main
from mmae_jax.models.attention import attention as xla
from tests import experiments, runs

SHORT = Shape(8, 2, 4)
BOTH_WAYS = bench._both_ways.__wrapped__


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


def doubled(q, k, v, valid, heads, kernel):
    return xla(q, k, v, valid, heads, "xla") * (2 if kernel == "wrong" else 1)


def nan_backward(q, k, v, valid, heads, kernel):
    result = xla(q, k, v, valid, heads, "xla")
    return result + jnp.sqrt(q - jax.lax.stop_gradient(q)) if kernel == "wrong" else result


def without_mask(q, k, v, valid, heads, kernel):
    return xla(q, k, v, jnp.ones_like(valid) if kernel == "wrong" else valid, heads, "xla")


def refuses(q, k, v, valid, heads, kernel):
    if kernel == "wrong":
        raise NotImplementedError("Unsupported sequence length Q 8, KV 8\nand more")
    return xla(q, k, v, valid, heads, "xla")


@pytest.fixture
def replaced(monkeypatch):
    """Replaces the kernels: one that is called `wrong` is what the test says."""

    def replace(function):
        monkeypatch.setattr(bench, "attention", function)
        monkeypatch.setattr(bench, "_both_ways", functools.cache(BOTH_WAYS))

    return replace


@pytest.mark.parametrize("wrong", [doubled, nan_backward, without_mask])
def test_what_differs_from_float32_is_found(wrong, replaced):
    replaced(wrong)
    assert not outcome(SHORT, "wrong", rows=5).agrees


def test_rounding_is_no_difference():
    found = outcome(SHORT, "xla", rows=7)
    assert found.agrees
    assert found.errors == found.rounding
    assert 0 < max(found.errors) < 0.05
    assert found.seconds > 0


def test_the_kernel_of_tpus_agrees_at_a_length_of_its_own():
    assert outcome(Shape(18, 2, 64), "pallas", rows=5).agrees


def test_kernels_are_those_of_the_platform(monkeypatch):
    assert kernels(SHORT) == ("xla",)
    device = types.SimpleNamespace(platform="gpu", device_kind="NVIDIA H200")
    monkeypatch.setattr(jax, "devices", lambda: [device])
    assert kernels(Shape(225, 16, 32)) == ("xla", "cudnn")


def test_a_table_is_printed_and_a_wrong_kernel_fails(replaced, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(bench, "shapes", lambda _: [SHORT])
    monkeypatch.setattr(bench, "kernels", lambda _: ("xla", "wrong"))
    arguments = ("bench", "attention", f"--config={runs.CONFIG}", "--batch=5", f"--json={tmp_path / 'found.json'}")
    replaced(doubled)
    assert main(arguments) == 1
    printed = capsys.readouterr()
    assert "expected what float32 computes, found something else of wrong at length 8" in printed.err
    assert "WRONG" in printed.out
    rows = json.loads((tmp_path / "found.json").read_text())["found"]["rows"]
    assert [(row["kernel"], row["agrees"], row["refused"]) for row in rows] == [("xla", True, ""), ("wrong", False, "")]
    replaced(refuses)
    assert main(arguments) == 0
    assert "wrong   Unsupported sequence length Q 8, KV 8\n" in capsys.readouterr().out

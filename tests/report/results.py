"""A run that nothing trained, and results of `evaluate` that nothing measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmae_jax.report.workdir import Run
from mmae_jax.spec import Experiment
from mmae_jax.weights.result import Result
from tests.experiments import experiment

CLASSES = ["oak", "beech", "pine"]
BINS = [{"confidence": place / 4, "accuracy": place / 5, "count": place} for place in range(4)]


def result(value: float, **changed: Any) -> dict[str, Any]:
    """Returns one result of `evaluate`, as JSON."""
    return {
        "target": "trees",
        "kind": "multilabel",
        "protocol": "linear",
        "preset": "torchgeo_bench",
        "of": "checkpoint",
        "inputs": None,
        "dates": None,
        "label_fraction": 1.0,
        "seed": 0,
        "split": "test",
        "samples": 80,
        "groups": 80,
        "chosen": {"C": 0.1},
        "scores": {"weighted_f1": {"value": value, "low": value - 0.05, "high": value + 0.05}},
        "classes": CLASSES,
    } | changed


def results() -> list[dict[str, Any]]:
    """Returns results of every kind that a report shows."""
    whole = {
        "per_class": {"f1": [0.1, None, 0.7], "support": [3, 0, 8]},
        "confusion": [[[1, 2], [3, 4]]] * 3,
        "calibration": {"ece": 0.031, "temperature": 1.2, "ece_scaled": 0.02, "bins": BINS},
    }
    controls = [result(0.3, of=of) for of in ("untrained", "band_statistics", "majority")]
    sensors = [result(0.4, inputs=["s2"]), result(0.45, inputs=["aerial", "s2", "s1_des"])]
    dates = [result(0.2 + 0.1 * number, dates=number) for number in (1, 2, 3)]
    clouds = [result(0.3, clouds="under most clouds"), result(0.4, clouds="under fewest clouds")]
    labels = [result(0.3 + share, label_fraction=share, seed=seed) for share in (0.01, 0.1) for seed in (0, 1)]
    return [result(0.5, inputs=list(experiment().inputs), **whole), *controls, *sensors, *dates, *clouds, *labels]


def run(workdir: Path, of: Experiment | None = None, name: str = "first", **changed: Any) -> Run:
    """Returns a run in an empty folder, with everything that its files could say."""
    of = of or experiment()
    head = {"phase": "finetune", "epoch": 1, "step": 10}
    difference = {"target": "trees", "protocol": "linear", "metric": "weighted_f1", "of": "first", "against": "second"}
    said = {
        "versions": {"mmae_jax": "1.2.3"},
        "phases": ("finetune",),
        "results": {"finetune": Result("finetune", 10, False, {"test": {"loss": 0.5, "trees/weighted_f1": 0.6}})},
        "entries": [head | {"split": "train", "loss": 1.0}, head | {"split": "val", "loss": 0.9}],
        "speed": [head | {"split": "train", "samples/s": 100.0, "samples/s/chip": 50.0, "data_wait_%": 1.0}],
        "goodput": [
            {"time": 0.0, "phase": "finetune", "event": "start", "step": 0, "device": "abacus", "devices": 2},
            {"time": 3600.0, "phase": "finetune", "event": "steps", "step": 10, "stepping": 1800.0},
        ],
        "evaluations": {
            "linear-test": {
                "results": results(),
                "differences": [difference | {"value": 0.1, "low": 0.02, "high": 0.2}],
            }
        },
    }
    return Run(name, workdir, of, **said | changed)

"""Whole training runs that take seconds, in this process on one device or by the command line."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import io
import subprocess
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import jax
import numpy as np
import pytest
from flax import nnx

from mmae_jax import config, parallel, spec
from mmae_jax.command_line import program as command_line
from mmae_jax.command_line.overrides import Override, overridden
from mmae_jax.metrics import ClassScores
from mmae_jax.models.params import abstract_model, by_path, from_paths, named
from mmae_jax.train import flops, loop
from mmae_jax.train import phase as phase_module
from mmae_jax.train.evaluation import Evaluation
from mmae_jax.train.state import Program, TrainState, abstract_state
from mmae_jax.weights.checkpoint import Checkpoints
from mmae_jax.weights.result import read_result
from tests import compilation
from tests.train import tiny_config

CONFIG = Path(tiny_config.__file__)
ROOT = CONFIG.parents[2]
BIAS = ("heads", "treesat_mlc_thresh", "linear", "bias")
HEALTH = {"embedding/std": 0.5, "embedding/effective_rank": 3.0}
STEPS = {"pretrain": 6, "probe": 6, "finetune": 6}


def tiny(shards: Path, inputs: tuple[str, ...] = ("s2", "s1_asc"), **changes: Any) -> spec.Experiment:
    """Returns the experiment of `tiny_config`; `changes` sets config fields by dotted name (`__` for the dot)."""
    fields = tiny_config.get_config()
    fields.inputs = {name: fields.inputs[name] for name in inputs}
    fields.data.dir = str(shards)
    changed = [Override(name.replace("__", "."), str(value)) for name, value in changes.items()]
    return config.experiment_from_config(overridden(fields, changed))


def one_device() -> jax.sharding.Mesh:
    return parallel.make_mesh(spec.Mesh(), jax.devices()[:1])


def only_one_device(patch: pytest.MonkeyPatch) -> None:
    first = jax.devices()[:1]
    patch.setattr(jax, "devices", lambda *_: first)


def run(experiment: spec.Experiment, workdir: Path) -> None:
    """Runs all phases on one device."""
    with pytest.MonkeyPatch.context() as patch:
        only_one_device(patch)
        loop.run(experiment, workdir)


def main(workdir: Path, *arguments: str, config: str | Path = CONFIG) -> str:
    """Trains by the command line, in this process; returns the message with which it exits, empty where it is done."""
    errors = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(errors):
        only_one_device(patch)
        code = command_line.main(["train", f"--config={config}", f"--workdir={workdir}", *arguments])
    if not code:
        return ""
    _, found, message = errors.getvalue().rpartition("error: ")  # which may have several lines
    return f"{found}{message}".strip() if found else errors.getvalue().splitlines()[-1]


def state_of(experiment: spec.Experiment, workdir: Path, phase: str, step: int | None = None) -> TrainState:
    """Returns the state in a checkpoint, the chosen one of a finished phase by default."""
    result = read_result(workdir, phase)
    step = step if step is not None else result.step if result else None
    program = Program(experiment, phase, STEPS[phase])
    with Checkpoints(workdir / phase / "checkpoints", experiment, phase) as checkpoints:
        step = checkpoints.latest_step if step is None else step
        assert step is not None
        return checkpoints.restore(step, abstract_state(program, one_device()))


def arrays(tree: Any) -> dict[str, np.ndarray]:
    return {name: np.asarray(leaf) for name, leaf in named(tree).items()}


def assert_same(found: Any, expected: Any) -> None:
    """Asserts that all leaves agree bit by bit."""
    found, expected = arrays(found), arrays(expected)
    assert list(found) == list(expected)
    different = [name for name in found if found[name].tobytes() != expected[name].tobytes()]
    assert not different


def training_process(
    workdir: Path, *arguments: str, config: str | Path = CONFIG, module: str = "mmae_jax", **options: Any
) -> subprocess.Popen[str]:
    """Starts `python -m mmae_jax train`, which has one device, or that of another module."""
    command_line = [sys.executable, "-m", module, "train", f"--config={config}", f"--workdir={workdir}", *arguments]
    defaults = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True, "env": compilation.environment()}
    return subprocess.Popen(command_line, cwd=ROOT, **defaults | options)


class Compilations(collections.Counter[str]):
    """Counts what is compiled while this is entered, by name of the function."""

    def __enter__(self) -> Self:
        jax.monitoring.register_event_duration_secs_listener(self._count)
        return self

    def __exit__(self, *_: object) -> None:
        jax.monitoring.unregister_event_duration_listener(self._count)

    def _count(self, event: str, _seconds: float, *, fun_name: str = "", **_: Any) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            self[fun_name.removeprefix("jit(").removeprefix("jit_").removesuffix(")")] += 1


def random_params(experiment: spec.Experiment, mesh: jax.sharding.Mesh, seed: int = 0) -> nnx.State:
    """Returns random parameters without compiling anything."""
    _, abstract = abstract_model(experiment)
    values = {
        path: np.random.default_rng([seed, *".".join(map(str, path)).encode()]).normal(0, 0.2, leaf.shape)
        for path, leaf in by_path(abstract).items()
    }
    params = from_paths({path: value.astype(np.float32) for path, value in values.items()}, abstract)
    return jax.device_put(params, parallel.shardings(abstract, mesh))


def replaced(experiment: spec.Experiment, phase: str, **changes: Any) -> spec.Experiment:
    """Returns the experiment with changed settings of a phase."""
    return dataclasses.replace(experiment, **{phase: dataclasses.replace(experiment.phase(phase), **changes)})


class Scripted(pytest.MonkeyPatch):
    """Replaces training and evaluation by something quick with known results, so that what is around them is tested.

    Each step adds 1 to the bias of the head; an evaluation after step s yields `scores[s]`.
    """

    def __init__(self, scores: Mapping[int, float] = types.MappingProxyType({})) -> None:
        super().__init__()
        self.scores, self.losses, self.stop_before = scores, {}, None
        self.setattr(phase_module, "train_step", self._train_step)
        self.setattr(phase_module, "evaluate", self._evaluate)
        self.setattr(phase_module, "embedding_health", lambda *_: dict(HEALTH))
        self.setattr(flops, "step_flops", lambda *_: 1e9)
        self.setattr(phase_module, "update_ema", lambda program, state: state)
        self.setattr(phase_module.figures, "write_reconstructions", lambda *_: None)
        self.setattr(phase_module.figures, "write_scores", lambda *_: None)
        self.setattr(phase_module.report, "save_png", lambda *_: None)
        self.setattr(loop, "new_params", lambda experiment, mesh: constant_params(experiment, mesh))
        only_one_device(self)

    def _train_step(self, program: Program, state: TrainState, batch: Any) -> tuple[TrainState, dict[str, Any]]:
        step = int(state.step) + 1
        if step == self.stop_before:
            raise KeyboardInterrupt
        flat = by_path(state.params)
        flat[BIAS] = flat[BIAS] + 1
        return dataclasses.replace(
            state, step=jax.device_put(np.int32(step), state.step.sharding), params=from_paths(flat, state.params)
        ), {"loss": 1.0, "loss/s1_asc": 1.0} | self.losses.get(step, {})

    def _evaluate(self, program: Program, state: TrainState, *_: Any, **__: Any) -> Evaluation:
        value = self.scores.get(int(state.step), 0.0)
        scores = ClassScores({"weighted_f1": value}, {}, np.zeros(0), np.zeros(0))
        return Evaluation(0.0, {}, {"treesat_mlc_thresh": scores})


def constant_params(experiment: spec.Experiment, mesh: jax.sharding.Mesh) -> nnx.State:
    """Returns parameters that are 0, quickly."""
    _, abstract = abstract_model(experiment)
    zeros = {path: np.zeros(leaf.shape, leaf.dtype) for path, leaf in by_path(abstract).items()}
    return jax.device_put(from_paths(zeros, abstract), parallel.shardings(abstract, mesh))


def steps_done(state: TrainState | nnx.State) -> float:
    """Returns how many scripted steps made these parameters."""
    return float(by_path(state.params if isinstance(state, TrainState) else state)[BIAS][0])

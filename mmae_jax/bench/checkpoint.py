"""Checkpoints of a training phase: how long they take, and how long training stands still for them."""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path

import jax
from etils import epath

from mmae_jax import parallel
from mmae_jax.command_line.config_file import load_experiment
from mmae_jax.command_line.parser import add_config
from mmae_jax.spec import PHASES, SpecError
from mmae_jax.train.state import Program, TrainState, begin_phase
from mmae_jax.weights.checkpoint import Checkpoints
from mmae_jax.weights.drawing import new_params
from mmae_jax.weights.progress import Progress

TOTAL_STEPS = 1000
"""Of the schedule; nothing that is saved depends on it."""
GB = 1e9


@dataclasses.dataclass(frozen=True)
class Saving:
    """One checkpoint.

    Attributes:
      held_up: seconds until training may go on.
      total: seconds until it is completely written.
    """

    held_up: float
    total: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the bench's arguments to its parser."""
    add_config(parser, required=True)
    parser.add_argument("--phase", default="pretrain", choices=PHASES)
    parser.add_argument("--workdir", required=True, type=Path, help="new folder, where checkpoints would be; is kept")
    parser.add_argument("--rounds", type=int, default=3, help="checkpoints written (default: 3)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    if options.rounds < 1:
        raise SpecError(f"--rounds: expected a positive number, found {options.rounds}")
    if options.workdir.exists():
        raise SpecError(f"--workdir: expected a new folder, found {options.workdir}")
    experiment = load_experiment(options.config, options.overrides)
    mesh = parallel.make_mesh(experiment.mesh)
    program = Program(experiment, options.phase, TOTAL_STEPS)
    state = jax.block_until_ready(begin_phase(program, new_params(experiment, mesh), mesh))
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(state)) / GB
    print(f"{options.config}, {options.phase}: {size:.3g} GB on {mesh.size} × {jax.devices()[0].device_kind}")
    for saving in measure(program, state, epath.Path(options.workdir), options.rounds):
        share = 100 * saving.held_up / saving.total
        print(f"held up {saving.held_up:.3f} s of {saving.total:.2f} s ({share:.1f} %), {size / saving.total:.2f} GB/s")


def measure(program: Program, state: TrainState, workdir: epath.Path, rounds: int) -> list[Saving]:
    """Saves `state` `rounds` times, each time to its end.

    Args:
      program: experiment and phase.
      state: the phase's state, which is saved.
      workdir: folder to write the checkpoints to.
      rounds: how many times to save.
    """
    savings = []
    with Checkpoints(workdir / program.phase / "checkpoints", program.experiment, program.phase) as checkpoints:
        for step in range(1, rounds + 1):
            begin = time.perf_counter()
            checkpoints.save(step, state, Progress())
            held_up = time.perf_counter() - begin
            checkpoints.wait()
            savings.append(Saving(held_up, time.perf_counter() - begin))
    return savings

"""What the runs of a table cost: samples, operations, and hours on the devices at hand."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import jax
from tqdm import tqdm

from mmae_jax import parallel
from mmae_jax.claims.paper.plan import PaperRun
from mmae_jax.data.pipeline import steps_per_epoch
from mmae_jax.data.shards import Shards, open_shards
from mmae_jax.hardware.at_hand import AtHand, devices_at_hand
from mmae_jax.spec import Mesh
from mmae_jax.train.flops import step_flops
from mmae_jax.train.state import Program

SHARE_OF_PEAK = 0.15
"""Of the published peak of a device, in training: 13.5 % and 17.1 % of an H200's were measured (docs/speed.md)."""
SHARE_OF_PRODUCTS = 0.35
"""Of the rate of a matrix product, where no peak is published: 0.38 was measured, of a tiny model on two busy cores."""
STEPS = 1000
"""Steps of the schedule with which a step is traced: they change none of its products."""


@dataclasses.dataclass(frozen=True)
class PhaseCost:
    """One phase of a run.

    Attributes:
      phase: its name.
      samples: of an epoch.
      epochs: how many.
      flops: operations of all its training steps.
    """

    phase: str
    samples: int
    epochs: int
    flops: float


def costs(run: PaperRun) -> list[PhaseCost]:
    """Returns what the phases of a run cost, forward and backward passes of training alone.

    Raises:
      SpecError: its shards cannot be opened.
    """
    shards = open_shards(run.experiment)
    return [_cost(run, phase, shards) for phase in run.experiment.phases]


def _cost(run: PaperRun, phase: str, shards: Shards) -> PhaseCost:
    settings = run.experiment.phase(phase)
    samples = shards.num_samples(settings.train_splits)
    steps = settings.epochs * steps_per_epoch(samples, settings.batch_size)
    return PhaseCost(phase, samples, settings.epochs, steps * _step_flops(Program(run.experiment, phase, STEPS)))


@functools.cache
def _step_flops(program: Program) -> float:
    return step_flops(program, parallel.make_mesh(Mesh(), jax.devices()[:1]))


def estimate(runs: Sequence[PaperRun]) -> str:
    """Returns the costs of runs as Markdown, and how they were reckoned; traces each step, which takes seconds a run.

    Raises:
      SpecError: shards cannot be opened, or devices not be had.
    """
    found = {run: costs(run) for run in tqdm(runs, unit="run", desc="estimating", leave=False)}
    at_hand = devices_at_hand()
    hours = {run: _hours(sum(one.flops for one in phases), at_hand) for run, phases in found.items()}
    lines = ["| run | samples × epochs | 10¹⁸ operations | hours |", "| --- | --- | --- | --- |"]
    for run, phases in found.items():
        what = ", ".join(f"{one.phase} {one.samples:,} × {one.epochs}" for one in phases)
        operations = sum(one.flops for one in phases) / 1e18
        lines.append(f"| {run.name} | {what} | {operations:.3g} | {hours[run]:.3g} |")
    return "\n".join(
        [*lines, "", f"{len(runs)} runs, {sum(hours.values()):.3g} hours one after the other; {_basis(at_hand)}."]
    )


def _hours(flops: float, at_hand: AtHand) -> float:
    return flops / (at_hand.count * at_hand.flops * _share(at_hand)) / 3600


def _share(at_hand: AtHand) -> float:
    return SHARE_OF_PEAK if at_hand.published else SHARE_OF_PRODUCTS


def _basis(at_hand: AtHand) -> str:
    rate = "its published peak" if at_hand.published else "what a matrix product does there"
    return (
        f"on {at_hand.count} × {at_hand.kind}, at {100 * _share(at_hand):.0f} % of {rate} "
        f"({at_hand.flops / 1e12:.3g} TFLOP/s each); reading, validation and compiling come on top"
    )

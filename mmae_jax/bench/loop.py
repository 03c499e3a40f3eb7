"""The training loop from shards to checkpoints: how long the devices wait for data, and which component limits.

The loop is the one that training runs, for some steps; its workdir is deleted at the end. The step alone, on a batch
that is on the devices, tells what the devices could do.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import statistics
import tempfile
import time
from collections.abc import Mapping
from typing import Any

import jax
from etils import epath

from mmae_jax import parallel
from mmae_jax.bench import data, record
from mmae_jax.bench.train.command import cache_of, case_of, title_of
from mmae_jax.bench.train.measurement import Step
from mmae_jax.command_line.parser import add_config, check_at_least
from mmae_jax.data.pipeline import train_batches
from mmae_jax.data.shards import open_shards
from mmae_jax.spec import PHASES, Experiment
from mmae_jax.train.monitor.lines import read_lines
from mmae_jax.train.monitor.log import SPEED_FILE
from mmae_jax.train.phase import PhaseRun
from mmae_jax.train.session import Session
from mmae_jax.train.state import begin_phase
from mmae_jax.train.step import train_step
from mmae_jax.weights.drawing import new_params
from mmae_jax.weights.progress import Progress

LOG_LINES = 10
RUNS = 3
UNNOTICED = 0.02
"""Waiting below this share is no limit."""
MB, MILLI = 1e6, 1e-3
PIPELINE, TRANSFER, DEVICES = "whole pipeline", "transfer", "devices"
PROGRAM = "what the program does between steps"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the bench's arguments to its parser."""
    add_config(parser, required=True)
    parser.add_argument("--shards", required=True, metavar="DIR", help="folder of shards")
    parser.add_argument("--phase", default="pretrain", choices=PHASES)
    parser.add_argument("--steps", type=int, default=100, help="of the loop (default: 100)")
    parser.add_argument("--samples", type=int, default=64, help="to measure each component (default: 64)")
    parser.add_argument(
        "--rate", type=float, help="samples/s for which cores are counted (default: those of the step alone)"
    )
    record.add_arguments(parser)
    parser.set_defaults(run=_run)


@dataclasses.dataclass(frozen=True)
class Loop:
    """What was measured.

    Attributes:
      batch_size: samples of a step.
      samples_per_second: rate of the loop, without evaluation and checkpoints.
      device_rate: samples/s of the step alone.
      host_waited: share of the loop's time in which the program waited for a batch and handed it to the devices.
      goodput: share of the time of the whole session, first compilation included, spent on steps.
      rate: samples/s for which cores are counted.
      stages: component → milliseconds of one core a sample; the whole pipeline is more than their sum by its own work.
      read: bytes of records read for a sample.
      workers: reader processes; 0 for threads of the program.
    """

    batch_size: int
    samples_per_second: float
    device_rate: float
    host_waited: float
    goodput: float
    rate: float
    stages: Mapping[str, float]
    read: float
    workers: int

    @property
    def device_waited(self) -> float:
        """Share of the loop's time in which devices had nothing to do."""
        return max(0.0, 1 - self.samples_per_second / self.device_rate)

    @property
    def limit(self) -> str:
        """The slowest component; the devices where they hardly waited, the program where that waited for no data."""
        if self.device_waited < UNNOTICED:
            return DEVICES
        if self.host_waited < self.device_waited / 2:
            return PROGRAM
        return max((name for name in self.stages if name != PIPELINE), key=lambda name: self.stages[name])

    def cores(self, component: str) -> float:
        """Returns how many cores a component takes at `rate`."""
        return self.rate * self.stages[component] * MILLI


def _run(options: argparse.Namespace) -> None:
    for name in ("steps", "samples"):
        check_at_least(options, name, 2 if name == "steps" else 1)
    check_at_least(options, "rate", 0)
    experiment = data.experiment_of(options.config, options.shards, options.overrides)
    with cache_of(experiment):
        found = measure(experiment, options.phase, options.steps, options.samples, options.rate)
    print(describe(f"{title_of(options)}, {options.steps} steps of {found.batch_size}", found))
    if options.json is not None:
        content = case_of(options) | {"steps": options.steps} | plain(found)
        record.write(options.json, record.record("loop", content, options.date))


def measure(experiment: Experiment, phase: str, steps: int, samples: int, rate: float | None = None) -> Loop:
    """Trains for some steps, then measures the step alone and each component of the host.

    Args:
      experiment: the experiment, whose `data.dir` is a folder of shards.
      phase: the phase to train, from new parameters.
      steps: number of steps of the loop.
      samples: number of samples to measure each component with.
      rate: samples/s for which cores are counted; what the devices could do if None.

    Raises:
      SpecError: shards do not fit the experiment, or the devices.
    """
    logging = dataclasses.replace(
        experiment.logging, every_steps=max(1, steps // LOG_LINES), checkpoint_every_steps=steps, images=0
    )
    experiment = dataclasses.replace(experiment, phases=(phase,), logging=logging)
    mesh = parallel.make_mesh(experiment.mesh)
    parallel.check_work(experiment, phase, mesh)
    with tempfile.TemporaryDirectory(prefix="mmae_jax_loop_") as folder:
        step, entries, goodput = _train(experiment, phase, steps, mesh, epath.Path(folder))
    fastest = min(step.seconds(max(2, steps // LOG_LINES)) for _ in range(RUNS))
    host = data.measure(experiment, samples)
    settled = entries[len(entries) // 2 :]  # before, batches that were read ahead while the step compiled
    device_rate = step.batch_size / fastest
    return Loop(
        batch_size=step.batch_size,
        samples_per_second=statistics.median(entry["samples/s"] for entry in settled),
        device_rate=device_rate,
        host_waited=statistics.mean(entry["data_wait_%"] for entry in settled) / 100,
        goodput=goodput,
        rate=device_rate if rate is None else rate,
        stages=host.stages | {TRANSFER: _transfer(experiment, phase, mesh), PIPELINE: host.pipeline},
        read=host.amplification["bytes read, random crops"][0],
        workers=experiment.data.workers,
    )


def _train(
    experiment: Experiment, phase: str, steps: int, mesh: jax.sharding.Mesh, workdir: epath.Path
) -> tuple[Step, list[dict[str, Any]], float]:
    """Returns the step with the state the loop came to, what the loop wrote of its speed, and its goodput."""
    run = PhaseRun(experiment, phase, open_shards(experiment), workdir, mesh)
    run.program, run.evaluates = dataclasses.replace(run.program, total_steps=steps), False
    with Session(run.program, workdir, mesh) as session:
        session.begin(0)
        state = begin_phase(run.program, new_params(experiment, mesh), mesh)
        state, _, _ = run.train(state, Progress(), 0, session)
        goodput = session.goodput.scalars()["goodput_running_%"] / 100
    entries = [entry for entry in read_lines(workdir / SPEED_FILE) if "samples/s" in entry]
    with train_batches(experiment, phase, run.shards, rows=_rows(experiment, phase, mesh)) as batches:
        batch = parallel.to_devices(next(batches), mesh)
    return Step(run.program, mesh, functools.partial(train_step, run.program), state, batch), entries, goodput


def _rows(experiment: Experiment, phase: str, mesh: jax.sharding.Mesh) -> tuple[range, ...]:
    return parallel.process_rows(experiment.phase(phase).batch_size, mesh)


def _transfer(experiment: Experiment, phase: str, mesh: jax.sharding.Mesh) -> float:
    """Returns the milliseconds a sample takes to the devices, the fastest of some turns."""
    shards, turns = open_shards(experiment), []
    with train_batches(experiment, phase, shards, rows=_rows(experiment, phase, mesh)) as batches:
        batch = next(batches)
    for _ in range(RUNS):
        begin = time.perf_counter()
        jax.block_until_ready(parallel.to_devices(batch, mesh))
        turns.append(time.perf_counter() - begin)
    return min(turns) / experiment.phase(phase).batch_size / MILLI


def describe(title: str, found: Loop) -> str:
    """Returns what was measured as lines to read."""
    rate = found.samples_per_second
    wanted = f"cores for {found.rate:.1f} samples/s"
    waited = f"{found.device_waited:12.1%}   the program waited for {found.host_waited:.1%} of the time"
    lines = [
        title,
        f"  {'samples/s':<24}{rate:12.1f}   {rate * found.read / MB:.1f} MB/s of records",
        f"  {'samples/s, step alone':<24}{found.device_rate:12.1f}",
        f"  {'devices waited':<24}{waited}",
        f"  {'goodput':<24}{found.goodput:12.1%}   of the session, compiling included",
        f"  limited by {found.limit}",
        f"{wanted:<26}{'ms a sample':>12}{'samples/s a core':>18}{'MB/s a core':>13}{'cores':>8}",
    ]
    for name, milliseconds in found.stages.items():
        each = 1 / max(milliseconds * MILLI, 1e-9)
        lines.append(
            f"  {name:<24}{milliseconds:12.3f}{each:18.1f}{each * found.read / MB:13.1f}{found.cores(name):8.2f}"
        )
    readers = f"{found.workers} reader processes" if found.workers else "threads of the program"
    return "\n".join([*lines, f"  read by {readers}, on {record.hardware()['cores']} cores"])


def plain(found: Loop) -> dict[str, Any]:
    """Returns what was measured as JSON types, with what follows from it."""
    more = {"device_waited": found.device_waited, "limit": found.limit, "cores": found.cores(PIPELINE)}
    return dataclasses.asdict(found) | more

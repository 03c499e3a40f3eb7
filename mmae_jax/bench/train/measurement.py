"""The training step of an experiment, measured on the devices at hand: start, speed, memory, profile."""

from __future__ import annotations

import dataclasses
import math
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
from absl import logging

from mmae_jax import parallel
from mmae_jax.bench.compile.measurement import DoesNotFitError
from mmae_jax.bench.profile.profile import Profile, profile
from mmae_jax.bench.profile.trace import read_trace, tracing
from mmae_jax.bench.train.inputs import random_batch
from mmae_jax.bench.train.start import Start, Stopwatch
from mmae_jax.hardware.chips import chip_of
from mmae_jax.spec import Experiment
from mmae_jax.train.flops import step_flops
from mmae_jax.train.monitor.meter import peak_flops
from mmae_jax.train.state import Program, TrainState, begin_phase
from mmae_jax.train.step import train_step
from mmae_jax.weights.drawing import new_params

TOTAL_STEPS = 1_000_000
"""Of the schedule; no time depends on it."""
RUNS = 3
TRACED_STEPS = 3
MODULE = "jit_train_step"
GB = 1e9


@dataclasses.dataclass(frozen=True)
class Memory:
    """Bytes of one device.

    Attributes:
      peak: the most in use so far in this process, as the fullest device tells; None where it does not.
      program: what the compiler says the step needs: arguments, results and temporaries.
    """

    peak: int | None
    program: int


@dataclasses.dataclass(frozen=True)
class Speed:
    """How fast a step is.

    Attributes:
      seconds: time of a step in each run; a run is many steps, of which the last is waited for.
      flops: operations that the model asks of one device for a step, whatever kernels compute them.
      peak_flops: operations that one device can do in a second; None where unknown.
    """

    seconds: tuple[float, ...]
    flops: float
    peak_flops: float | None

    @property
    def median(self) -> float:
        """Seconds of a step."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """Difference of the slowest and the fastest run, as a share of the median."""
        return (max(self.seconds) - min(self.seconds)) / self.median

    @property
    def of_peak(self) -> float | None:
        """Share of what the device can do; None where unknown."""
        return None if self.peak_flops is None else self.flops / self.median / self.peak_flops


@dataclasses.dataclass(frozen=True)
class Measurement:
    """One phase's training step on the devices at hand.

    Attributes:
      batch_size: samples of a step, over all devices.
      devices: number of devices that share a step.
      start: seconds until the end of the first step; None where other steps came before in the process.
      memory: what a device's memory holds.
      padding: share of the tokens that stand for nothing.
      speed: how fast a step is; None where only the start was asked for.
      profile: where its time goes; None where not asked for, or where the profiler fails.
    """

    batch_size: int
    devices: int
    start: Start | None
    memory: Memory
    padding: float
    speed: Speed | None
    profile: Profile | None

    @property
    def samples_per_second(self) -> float | None:
        """Samples that all devices together take in a second."""
        return None if self.speed is None else self.batch_size / self.speed.median


def measure(experiment: Experiment, phase: str, steps: int, trace: Path | None) -> Measurement:
    """Starts a phase on random inputs and measures its steps.

    Args:
      experiment: gives model, mesh and batch.
      phase: the phase whose step is measured.
      steps: number of steps in each of the runs; 0 measures the start only.
      trace: folder to trace some further steps into, for a profile; None for none.

    Raises:
      SpecError: parameters or batch cannot be divided over the devices.
      DoesNotFitError: the step needs more memory than a device has.
      jax.errors.JaxRuntimeError: the same, found while it ran; among others.
    """
    step, start = begin(experiment, phase)
    padding = float(step.scalars["padding_%"]) / 100
    memory = Memory(peak_bytes(), program_bytes(step.compiled))
    if not steps:
        return Measurement(step.batch_size, step.mesh.size, start, memory, padding, None, None)
    step.seconds(1)  # the first ones are slower
    seconds = tuple(step.seconds(steps) for _ in range(RUNS))
    memory = dataclasses.replace(memory, peak=peak_bytes())
    found = None if trace is None else _profile(step, trace)
    speed = Speed(seconds, step_flops(step.program, step.mesh) / step.mesh.size, peak_flops(experiment))
    return Measurement(step.batch_size, step.mesh.size, start, memory, padding, speed, found)


class Step:
    """A compiled training step with what it needs, on the devices."""

    def __init__(self, program: Program, mesh: jax.sharding.Mesh, compiled: Any, state: TrainState, batch: Any) -> None:
        """Takes over `state`, which steps donate."""
        self.program, self.mesh, self.compiled, self._state, self._batch = program, mesh, compiled, state, batch
        self.scalars: dict[str, jax.Array] = {}

    @property
    def batch_size(self) -> int:
        """Samples of a step, over all devices."""
        return self.program.experiment.phase(self.program.phase).batch_size

    def seconds(self, steps: int) -> float:
        """Does some steps, waits for the last, and returns seconds a step."""
        begin = time.perf_counter()
        for _ in range(steps):
            self._state, self.scalars = self.compiled(self._state, self._batch)
        jax.block_until_ready((self._state, self.scalars))
        return (time.perf_counter() - begin) / steps


def begin(experiment: Experiment, phase: str) -> tuple[Step, Start]:
    """Does what training does until the end of its first step, which is on random inputs; raises as `measure`."""
    watch = Stopwatch()
    with watch.stage("devices"):
        mesh = parallel.make_mesh(experiment.mesh)
    parallel.check_work(experiment, phase, mesh)
    program = Program(experiment, phase, TOTAL_STEPS)
    with watch.stage("drawing"):
        state = jax.block_until_ready(begin_phase(program, new_params(experiment, mesh), mesh))
    batch = jax.block_until_ready(random_batch(experiment, experiment.phase(phase).batch_size, mesh))
    with watch.stage("tracing"):
        lowered = train_step.lower(program, state, batch)
    with watch.stage("compiling"):
        compiled = lowered.compile()
    if program_bytes(compiled) > (capacity := device_bytes()):
        raise DoesNotFitError(f"needs {program_bytes(compiled) / GB:.1f} GB of a device's {capacity / GB:.1f} GB")
    step = Step(program, mesh, compiled, state, batch)
    with watch.stage("first_step"):
        step.seconds(1)
    return step, watch.start()


def peak_bytes() -> int | None:
    """Returns the most bytes in use so far on any device of this process; None where no device tells."""
    stats = [device.memory_stats() or {} for device in jax.local_devices()]
    return max((stat["peak_bytes_in_use"] for stat in stats if "peak_bytes_in_use" in stat), default=None)


def device_bytes() -> float:
    """Returns the bytes that a program may use on a device; all of the machine's on CPUs."""
    device = jax.devices()[0]
    limit = (device.memory_stats() or {}).get("bytes_limit")
    if limit is not None:
        return float(limit)
    if device.platform == "cpu":
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    chip = chip_of(device)
    return math.inf if chip is None else chip.memory


def program_bytes(compiled: jax.stages.Compiled) -> int:
    """Returns the bytes of one device that the compiler says a program needs."""
    sizes: Any = compiled.memory_analysis()
    results = sizes.output_size_in_bytes - sizes.alias_size_in_bytes
    return int(sizes.argument_size_in_bytes + results + sizes.temp_size_in_bytes)


def _profile(step: Step, folder: Path) -> Profile | None:
    """Returns where the time goes; None where the profiler fails, which is no reason to lose the rest."""
    try:
        with tracing(folder):
            step.seconds(TRACED_STEPS)
        traced = read_trace(folder, MODULE)
    except (RuntimeError, ValueError) as error:
        logging.warning("no profile: %s", error)
        return None
    return profile(traced, step.compiled.as_text(), TRACED_STEPS * step.mesh.size)


def temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """Returns a folder for a trace that is read once."""
    return tempfile.TemporaryDirectory(prefix="mmae_jax_profile_")

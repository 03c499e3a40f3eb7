"""Speed of training by the clock, and what it asks of the devices."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import jax

from mmae_jax.hardware.chips import chip_of
from mmae_jax.spec import Experiment
from mmae_jax.train import flops
from mmae_jax.train.state import Program

GIB = 2**30


class Meter:
    """Measures steps since the last reading; begins with the end of the first step, which is compiled before it runs.

    Attributes:
      stepping: seconds of all steps so far, without what is not training.
    """

    def __init__(self, batch_size: int, num_devices: int, step_flops: float, peak_flops: float | None) -> None:
        """Begins with the first `step`.

        Args:
          batch_size: samples of a step, over all devices.
          num_devices: devices that share a step.
          step_flops: floating-point operations of a step that the model asks for.
          peak_flops: floating-point operations that one device can do in a second; None where unknown.
        """
        self._batch_size, self._num_devices = batch_size, num_devices
        self._step_flops, self._peak_flops = step_flops, peak_flops
        self.stepping = 0.0
        self._running_since: float | None = None
        self._forget()

    @classmethod
    def of(cls, program: Program, mesh: jax.sharding.Mesh) -> Meter:
        """Returns the meter of a phase."""
        batch_size = program.experiment.phase(program.phase).batch_size
        return cls(batch_size, mesh.size, flops.step_flops(program, mesh), peak_flops(program.experiment))

    def step(self) -> None:
        """Counts one step, at its end."""
        if self._running_since is None:
            self._running_since = time.perf_counter()
        else:
            self._steps += 1

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Counts the time within as waiting for data."""
        begin = time.perf_counter()
        yield
        self._waited += time.perf_counter() - begin

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Leaves out the time within, which is not training."""
        self._lap()
        yield
        if self._running_since is not None:
            self._running_since = time.perf_counter()

    def read(self) -> dict[str, float]:
        """Returns the speed since the last reading by name, without what is unknown; nothing before the second step."""
        self._lap()
        seconds = self.stepping - self._read_at
        speed = (
            self._speed(seconds / self._steps) | {"data_wait_%": 100 * self._waited / seconds} if self._steps else {}
        )
        self._forget()
        return speed | peak_memory()

    def _speed(self, seconds: float) -> dict[str, float]:
        flops_per_second = self._step_flops / self._num_devices / seconds
        speed = {
            "samples/s": self._batch_size / seconds,
            "samples/s/chip": self._batch_size / self._num_devices / seconds,
            "model_tflops/s/chip": flops_per_second / 1e12,
        }
        return speed | ({"of_peak_%": 100 * flops_per_second / self._peak_flops} if self._peak_flops else {})

    def _lap(self) -> None:
        if self._running_since is not None:
            now = time.perf_counter()
            self.stepping, self._running_since = self.stepping + now - self._running_since, now

    def _forget(self) -> None:
        self._read_at, self._waited, self._steps = self.stepping, 0.0, 0


def peak_flops(experiment: Experiment) -> float | None:
    """Returns the floating-point operations a device can do in a second in the compute dtype; None where unknown."""
    if experiment.logging.peak_tflops is not None:
        return experiment.logging.peak_tflops * 1e12
    chip = chip_of(jax.devices()[0])
    if chip is None:
        return None
    return chip.bf16_flops if experiment.model.dtype == "bfloat16" else chip.float32_flops


def peak_memory() -> dict[str, float]:
    """Returns the most memory in use so far on any device of this process, in GiB; nothing where it is not told."""
    stats = [device.memory_stats() or {} for device in jax.local_devices()]
    peaks = [stat["peak_bytes_in_use"] for stat in stats if "peak_bytes_in_use" in stat]
    return {"device_memory_GiB": max(peaks) / GIB} if peaks else {}

"""One training step to compile: which experiment and phase, on which slices, divided how."""

from __future__ import annotations

import dataclasses

import jax

from mmae_jax.bench.compile.gpus import gpu_devices, is_gpu
from mmae_jax.bench.compile.measurement import Measurement, measure
from mmae_jax.bench.compile.topology import slice_devices
from mmae_jax.command_line.config_file import load_experiment
from mmae_jax.command_line.overrides import Override
from mmae_jax.command_line.parser import split_overrides
from mmae_jax.hardware.chips import Chip, chip_of
from mmae_jax.parallel import AXES
from mmae_jax.spec import Experiment, SpecError


@dataclasses.dataclass(frozen=True)
class Case:
    """What is compiled.

    Attributes:
      config: config file, `FILE` or `FILE:ARGUMENT`.
      overrides: `--config.field=value`.
      phase: the phase whose training step is compiled.
      topology: name of a slice's topology.
      slices: number of slices.
      mesh: `data=-1,fsdp=8`; the config's where empty.
      batch_per_chip: samples of a step on each chip.
      quick: whether the compiler tries less.
    """

    config: str
    overrides: tuple[str, ...]
    phase: str
    topology: str
    slices: int
    mesh: str
    batch_per_chip: int
    quick: bool

    @property
    def title(self) -> str:
        """Names the case on one line."""
        slices = f"{self.slices} × {self.topology}" if self.slices > 1 else self.topology
        settings = " ".join((self.config, *self.overrides))
        mesh = f", {self.mesh}" if self.mesh else ""
        return f"{settings}, {self.phase}, {slices}{mesh}, {self.batch_per_chip} samples a chip"

    def devices(self) -> tuple[list[jax.Device], Chip]:
        """Returns the devices of the slices, and what one of them can do."""
        if self.slices < 1:
            raise SpecError(f"--slices: expected a positive number, found {self.slices}")
        if not is_gpu(self.topology):
            devices = list(slice_devices(self.topology, self.slices))
        elif self.slices > 1:
            raise SpecError(f"--slices: expected 1 with GPUs, whose number says all, found {self.slices}")
        else:
            devices = list(gpu_devices(self.topology))
        chip = chip_of(devices[0])
        if chip is None:
            raise SpecError(f"--topology: expected a chip that hardware/chips.py knows, found {devices[0].device_kind}")
        return devices, chip

    def experiment(self, num_devices: int) -> Experiment:
        """Returns the experiment with this mesh, and a global batch for so many devices."""
        if self.batch_per_chip < 1:
            raise SpecError(f"--batch_per_chip: expected a positive number, found {self.batch_per_chip}")
        given, _ = split_overrides(self.overrides)
        own = {f"{self.phase}.batch_size": self.batch_per_chip * num_devices}
        own |= {f"mesh.{axis}": size for axis, size in _axes(self.mesh).items()}
        return load_experiment(self.config, (*given, *(Override(field, str(value)) for field, value in own.items())))

    def measure(self) -> Measurement:
        """Compiles the step; raises as `measurement.measure`."""
        devices, chip = self.devices()
        return measure(self.experiment(len(devices)), self.phase, devices, chip)


def _axes(mesh: str) -> dict[str, int]:
    sizes = {}
    for part in filter(None, mesh.split(",")):
        name, _, size = part.partition("=")
        if name not in AXES or not size.lstrip("-").isdigit():
            raise SpecError(f"--mesh: expected sizes of {', '.join(AXES)} such as data=-1,fsdp=8, found {mesh!r}")
        sizes[name] = int(size)
    return sizes

"""GPUs that are not there: their devices, to compile for.

XLA for GPUs asks a device what it can do; here it is told. Kernels are chosen without trying them, so that times cannot
be had, but memory, bytes, kernels and refusals can.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import re
from collections.abc import Mapping, Sequence
from importlib import metadata

import jax
from immutabledict import immutabledict
from jax.experimental import topologies

from mmae_jax import parallel
from mmae_jax.hardware.chips import CHIPS, Chip
from mmae_jax.spec import SpecError

HOST_DEVICES = 8
"""GPUs of a machine; more are several machines."""


@dataclasses.dataclass(frozen=True)
class Gpu:
    """What XLA asks of a GPU, by its maker's architecture white paper.

    Attributes:
      description: the GPU's name in CUDA.
      capability: compute capability, major and minor.
      cores: streaming multiprocessors.
      units: float32 units of a multiprocessor.
      shared_memory: bytes of shared memory of a multiprocessor.
      block_shared_memory: bytes of it that one block may ask for.
      cache: bytes of the second-level cache.
      memory: bytes of device memory.
      clock: clock rate [GHz].
    """

    description: str
    capability: tuple[int, int]
    cores: int
    units: int
    shared_memory: int
    block_shared_memory: int
    cache: int
    memory: int
    clock: float


GPUS: Mapping[str, Gpu] = immutabledict(
    a100=Gpu("NVIDIA A100-SXM4-80GB", (8, 0), 108, 64, 167936, 166912, 41943040, 85_000_000_000, 1.41),
    h100=Gpu("NVIDIA H100 80GB HBM3", (9, 0), 132, 128, 233472, 232448, 52428800, 85_000_000_000, 1.98),
    h200=Gpu("NVIDIA H200", (9, 0), 132, 128, 233472, 232448, 62914560, 150_000_000_000, 1.98),
)
"""Name in a topology → GPU."""


def is_gpu(topology: str) -> bool:
    """Returns whether a topology such as `h100:8` names GPUs."""
    return topology.partition(":")[0] in GPUS


def has_plugin() -> bool:
    """Returns whether JAX's plugin for CUDA, which compiles for GPUs, is installed."""
    return importlib.util.find_spec("jax_plugins") is not None and (
        importlib.util.find_spec("jax_plugins.xla_cuda13") is not None
    )


def gpu_devices(topology: str) -> Sequence[jax.Device]:
    """Returns the devices of machines with GPUs, for compilation only.

    Args:
      topology: kind and number, `h100:1` or `h200:16`; more than eight are machines of eight.

    Raises:
      SpecError: JAX's plugin for CUDA is not installed, or there are no such machines.
    """
    name, _, number = topology.partition(":")
    count = int(number) if number.isdigit() else 0
    if count < 1 or (count > HOST_DEVICES and count % HOST_DEVICES):
        raise SpecError(
            f"--topology: expected 1 to {HOST_DEVICES} GPUs or machines of {HOST_DEVICES}, found {topology!r}"
        )
    if jax.__version_info__ < (0, 11):
        raise SpecError(f"bench compile: needs jax 0.11 or newer (Python 3.12) for GPUs, found {jax.__version__}")
    if not has_plugin():
        raise SpecError("bench compile: needs JAX's plugin for CUDA, `pip install 'mmae_jax[cuda]'`; no GPU is needed")
    parallel.leave_accelerators()
    hosts, each = max(1, count // HOST_DEVICES), min(count, HOST_DEVICES)
    described = topologies.get_topology_desc(
        platform="cuda",
        topology=f"1x{hosts}x{each}",
        target_config=_target(GPUS[name], CHIPS[f"NVIDIA {name.upper()}"]),
    )
    return list(described.devices)


def _target(gpu: Gpu, chip: Chip) -> str:
    """Returns XLA's description of a GPU and of the cuDNN that is installed, a text proto."""
    major, minor, patch = re.findall(r"\d+", metadata.version("nvidia-cudnn-cu13"))[:3]
    return f"""
    gpu_device_info {{
      threads_per_block_limit: 1024 threads_per_warp: 32
      shared_memory_per_block: 49152 shared_memory_per_core: {gpu.shared_memory}
      shared_memory_per_block_optin: {gpu.block_shared_memory}
      threads_per_core_limit: 2048 core_count: {gpu.cores} fpus_per_core: {gpu.units}
      block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
      memory_bandwidth: {chip.memory_bandwidth:.0f} l2_cache_size: {gpu.cache} clock_rate_ghz: {gpu.clock}
      device_memory_size: {gpu.memory}
      cuda_compute_capability {{ major: {gpu.capability[0]} minor: {gpu.capability[1]} }}
      registers_per_core_limit: 65536 registers_per_block_limit: 65536
    }}
    platform_name: "CUDA"
    dnn_version_info {{ major: {major} minor: {minor} patch: {patch} }}
    runtime_version {{ major: 13 minor: 0 patch: 0 }}
    device_description_str: "{gpu.description}"
    """

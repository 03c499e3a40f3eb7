"""What accelerator chips can do, by the figures their makers publish."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import jax
from immutabledict import immutabledict


@dataclasses.dataclass(frozen=True)
class Chip:
    """One chip, as one JAX device.

    Attributes:
      name: what its maker calls it.
      bf16_flops: dense bfloat16 operations per second, accumulated in float32.
      float32_flops: the same for float32 inputs and matrix products at full precision.
      memory: bytes of device memory.
      memory_bandwidth: bytes per second to and from device memory.
      link_bandwidth: bytes per second that the chip sends (and, at the same time, receives) over the fast network
        between chips, all links together.
      slow_bandwidth: the same for the network between slices or machines, this chip's share of its host's.
    """

    name: str
    bf16_flops: float
    float32_flops: float
    memory: float
    memory_bandwidth: float
    link_bandwidth: float
    slow_bandwidth: float


GIB = 2**30

# TPU: cloud.google.com/tpu/docs, system architecture (TPU7x: half of a chip, which is two devices, and half of the link
# bandwidth, which counts both directions there). A float32 product takes six bfloat16 passes. GPU: NVIDIA data sheets,
# dense, one way. Slow network: that of a pod or host divided by its chips (TPU), of DGX machines (GPU; L4: 100 Gbit/s
# for 8).
CHIPS: Mapping[str, Chip] = immutabledict(
    {
        "TPU v4": Chip("TPU v4", 275e12, 275e12 / 6, 32 * GIB, 1228e9, 300e9, 6.25e9),
        "TPU v5 lite": Chip("TPU v5e", 197e12, 197e12 / 6, 16 * GIB, 819e9, 200e9, 3.125e9),
        "TPU v5": Chip("TPU v5p", 459e12, 459e12 / 6, 95 * GIB, 2765e9, 600e9, 6.25e9),
        "TPU v6 lite": Chip("TPU v6e", 918e12, 918e12 / 6, 32 * GIB, 1640e9, 400e9, 12.5e9),
        "TPU7x": Chip("TPU7x", 1154e12, 1154e12 / 6, 96 * GIB, 3690e9, 300e9, 6.25e9),
        "NVIDIA V100": Chip("NVIDIA V100", 125e12, 15.7e12, 32 * GIB, 900e9, 150e9, 6.25e9),
        "NVIDIA A100": Chip("NVIDIA A100", 312e12, 19.5e12, 80 * GIB, 2039e9, 300e9, 25e9),
        "NVIDIA L4": Chip("NVIDIA L4", 121e12, 30.3e12, 24 * GIB, 300e9, 32e9, 1.5625e9),
        "NVIDIA H100": Chip("NVIDIA H100", 989e12, 67e12, 80 * GIB, 3350e9, 450e9, 50e9),
        "NVIDIA H200": Chip("NVIDIA H200", 989e12, 67e12, 141e9, 4800e9, 450e9, 50e9),
        "NVIDIA B200": Chip("NVIDIA B200", 2250e12, 75e12, 180e9, 8000e9, 900e9, 50e9),
    }
)
"""Beginning of `jax.Device.device_kind` → chip; the longest that fits counts."""


def chip_of(device: jax.Device) -> Chip | None:
    """Returns what is known of a device; None where it is nothing published, as for CPUs."""
    fitting = [kind for kind in CHIPS if device.device_kind.startswith(kind)]
    return CHIPS[max(fitting, key=len)] if fitting else None

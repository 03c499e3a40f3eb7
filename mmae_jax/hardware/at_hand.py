"""Which devices a training process would have, and how fast they are, asked in a process that gives them back."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time

import jax
import jax.numpy as jnp

from mmae_jax.hardware.chips import chip_of
from mmae_jax.spec import SpecError

MODULE = "mmae_jax.hardware.at_hand"
SIDE = 2048
"""Rows of the matrices whose product is timed where no peak is published."""
TIMES = 3


@dataclasses.dataclass(frozen=True)
class AtHand:
    """Devices.

    Attributes:
      kind: what their maker calls them.
      count: how many there are; all cores of a host are one.
      flops: bfloat16 operations per second of each: the published peak, or those of a matrix product here.
      published: whether it is the published peak.
    """

    kind: str
    count: int
    flops: float
    published: bool


def devices_at_hand() -> AtHand:
    """Returns the devices that a process started now would train on.

    Raises:
      SpecError: it cannot have them.
    """
    asked = subprocess.run([sys.executable, "-m", MODULE], capture_output=True, text=True, check=False)
    if asked.returncode:
        said = asked.stderr.strip().splitlines() or ["nothing"]
        raise SpecError(f"devices: {said[-1]}")
    return AtHand(**json.loads(asked.stdout.splitlines()[-1]))


def _found() -> AtHand:
    device = jax.devices()[0]
    chip = chip_of(device)
    if chip is not None:
        return AtHand(chip.name, jax.device_count(), chip.bf16_flops, published=True)
    count = 1 if device.platform == "cpu" else jax.device_count()
    return AtHand(device.device_kind, count, _measured(), published=False)


def _measured() -> float:
    """Returns the operations per second of a matrix product, the fastest of some."""
    product = jax.jit(jnp.matmul)
    matrix = jnp.ones((SIDE, SIDE), jnp.bfloat16)
    product(matrix, matrix).block_until_ready()
    seconds = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        product(matrix, matrix).block_until_ready()
        seconds.append(time.perf_counter() - begun)
    return 2.0 * SIDE**3 / min(seconds)


if __name__ == "__main__":
    print(json.dumps(dataclasses.asdict(_found())))

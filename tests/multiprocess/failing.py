"""`mmae_jax train` with other work than training, that fails in some process: `FAILING=<how> python -m … FLAGS`."""

from __future__ import annotations

import os
import signal
import sys
import time
import types
from typing import Any

import jax
import numpy as np

from mmae_jax import parallel
from mmae_jax.command_line.program import program
from mmae_jax.spec import Mesh, SpecError

STEPS = 4


def work(*_: Any) -> None:
    """Adds numbers of all processes, step by step; fails after the first of them."""
    how, mesh = os.environ["FAILING"], parallel.make_mesh(Mesh())
    if how == "all refuse":
        raise SpecError("data.dir: nowhere is not a folder")
    for step in range(STEPS):
        batch = parallel.to_devices({"ones": np.ones(1, np.float32)}, mesh)
        total = parallel.to_hosts(jax.tree.map(jax.numpy.sum, batch), mesh)
        assert total["ones"] == jax.process_count()
        if step == 0 and jax.process_index() == int(os.environ.get("WHO", "1")):
            fail(how)


def fail(how: str) -> None:
    """Fails in some way, or not."""
    if how == "refuse":
        raise SpecError("s2.tif: expected 10 bands, found 9")
    if how == "bug":
        raise KeyError("s3")
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "freeze":
        os.kill(os.getpid(), signal.SIGSTOP)
    if how == "slow":
        time.sleep(3)


if __name__ == "__main__":
    loop = types.ModuleType(
        "mmae_jax.train.loop"
    )  # what else it imports would take longer than all that is tested here
    vars(loop)["run"] = work
    sys.modules[loop.__name__] = loop
    program("train")

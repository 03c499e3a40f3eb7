"""Whether this machine has TPU chips, and what libtpu is told where it has none."""

from __future__ import annotations

import os
from collections.abc import Mapping

import jax  # noqa: F401 (on import, JAX looks for chips and leaves word in the environment)


def has_chips(environment: Mapping[str, str] = os.environ) -> bool:
    """Returns whether JAX has found TPU chips and libtpu here.

    Args:
      environment: environment variables of a process that has imported JAX.
    """
    return "TPU_ML_PLATFORM" in environment


def quieten_libtpu() -> None:
    """Keeps libtpu quiet on a machine without TPU chips; to be called before JAX is asked for devices.

    JAX loads libtpu wherever it is installed (extra `tpu`, to compile for slices), and libtpu looks for the slice it is
    part of: without an answer it prints errors that are none.
    """
    if not has_chips():
        os.environ.setdefault("TPU_ACCELERATOR_TYPE", "v5litepod-4")
        os.environ.setdefault("TPU_WORKER_HOSTNAMES", "localhost")

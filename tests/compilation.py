"""How tests compile: as quickly as can be, and each program once for all processes of a test run.

Tests run programs for milliseconds after they were compiled for seconds. So nothing is optimised, here and in every
process that a test starts, and all of them share a folder of compiled programs. One that `JAX_COMPILATION_CACHE_DIR`
names is used instead, and stays: then the next test run finds the programs of this one.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.metadata
import os
import shutil
import tempfile
from collections.abc import Iterator

DEVICES = 8
"""Virtual devices of the processes in which pytest runs."""
FOLDER, MIN_SECONDS = "JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"


def set_up() -> None:
    """Sets this process and those it starts up, before they import JAX; a second call changes nothing."""
    flags = os.environ.get("XLA_FLAGS", "")
    if _devices(DEVICES) not in flags:
        os.environ["XLA_FLAGS"] = " ".join([flags, *_quick(), _devices(DEVICES)]).strip()
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
    os.environ[MIN_SECONDS] = "0"
    if FOLDER not in os.environ:  # as it is for pytest itself; its workers inherit it
        os.environ[FOLDER] = tempfile.mkdtemp(prefix="mmae_jax_tests_")
        atexit.register(shutil.rmtree, os.environ[FOLDER], ignore_errors=True)


def environment(devices: int = 1) -> dict[str, str]:
    """Returns the environment of a process with another number of virtual devices."""
    return os.environ | {"XLA_FLAGS": os.environ["XLA_FLAGS"].replace(_devices(DEVICES), _devices(devices))}


@contextlib.contextmanager
def optimised() -> Iterator[None]:
    """Compiles as a user's process does while it is entered, for tests about the numbers that come out."""
    import jax

    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", True)


def _devices(number: int) -> str:
    return f"--xla_force_host_platform_device_count={number}"


def _quick() -> list[str]:
    """Returns what halves the time of compilation, and more.

    A program is compiled by one thread: each more would link its own module. The emitters of fusions that JAX 0.10 has
    by default take four fifths of the time; later ones have no others.
    """
    major, minor, *_ = importlib.metadata.version("jax").split(".")
    emitters = ["--xla_cpu_use_fusion_emitters=false"] if (int(major), int(minor)) < (0, 11) else []
    return ["--xla_cpu_parallel_codegen_split_count=1", *emitters]

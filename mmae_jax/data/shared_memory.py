"""Reader processes hand batches over in shared memory, of which containers have little: that is said beforehand."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import re
from collections.abc import Iterator

import jax
import numpy as np

from mmae_jax.data.abstract import abstract_batch
from mmae_jax.data.records import DataError
from mmae_jax.exit_codes import how_ended
from mmae_jax.spec import Data, Experiment, SpecError

FOLDER = "/dev/shm"
HELD = 2
"""Batches of a worker beside those in its queue: one that it makes, one taken over by this process."""
WAY_OUT = "enlarge it (docker --shm-size=8g, Kubernetes: emptyDir of medium Memory), or set data.workers=0"


def buffer_size(data: Data, workers: int) -> int:
    """Returns the batches in the queue of one worker."""
    return max(1, data.prefetch // workers)


def check_shared_memory(experiment: Experiment, phase: str, rows: int) -> None:
    """Stops where shared memory is too small for the batches that readers prepare.

    Args:
      experiment: the experiment.
      phase: the phase whose batches are read.
      rows: samples of a batch that this process reads.

    Raises:
      SpecError: it tells the size of the shared memory, and the need.
    """
    workers = experiment.data.workers
    if not workers or not os.path.isdir(FOLDER):
        return
    need = workers * (buffer_size(experiment.data, workers) + HELD) * _batch_bytes(experiment, rows)
    if need > (free := _free()):
        raise SpecError(
            f"data.workers: {workers} readers of {phase}.batch_size {experiment.phase(phase).batch_size} need "
            f"{_text(need)} of shared memory, {FOLDER} has {_text(free)} free: {WAY_OUT}"
        )


@contextlib.contextmanager
def naming_lost_readers() -> Iterator[None]:
    """Turns the death of a reader process into a `DataError` that says what of."""
    try:
        yield
    except (RuntimeError, OSError) as error:
        died = re.search(r"terminated unexpectedly with exit code (-?\d+)", str(error))
        full = isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None
        if died is None and not full:
            raise
        raise DataError(f"data.workers: {_how(None if died is None else int(died[1]))}") from error


def _how(exit_code: int | None) -> str:
    """Tells how a reader ended, by its exit code, None where it found no room, and the way out."""
    name = None if exit_code is None else how_ended(exit_code)
    if name in (None, "SIGBUS"):
        ended = "found no room for a batch" if name is None else f"died ({name})"
        room = f"shared memory is where batches are handed over, {FOLDER} has {_text(_free())} free: {WAY_OUT}"
        return f"a reader process {ended}; {room}"
    if name == "SIGKILL":
        return f"a reader process died ({name}), most likely as memory was used up: set fewer"
    return f"a reader process died ({name})"


def _batch_bytes(experiment: Experiment, rows: int) -> int:
    """Returns the bytes of a batch of `rows` samples, each array in whole pages."""
    page = os.sysconf("SC_PAGE_SIZE")
    leaves = jax.tree.leaves(abstract_batch(experiment, rows))
    return sum(-(-math.prod(leaf.shape) * np.dtype(leaf.dtype).itemsize // page) * page for leaf in leaves)


def _free() -> int:
    found = os.statvfs(FOLDER)
    return found.f_bavail * found.f_frsize


def _text(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"

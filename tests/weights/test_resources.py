"""What a session holds does not grow with what it saves."""

import os
import threading

import jax
import numpy as np
import psutil
import pytest

from mmae_jax.weights.checkpoint import Checkpoints
from mmae_jax.weights.progress import Progress
from tests import runs

HELD = 12
"""Descriptors and threads by which a process may hold more at one moment than at another."""


def held():
    """Returns the open descriptors, threads and resident bytes of this process."""
    return len(os.listdir("/proc/self/fd")), threading.active_count(), psutil.Process().memory_info().rss


@pytest.mark.parametrize("saves", [12, pytest.param(500, marks=pytest.mark.slow)])
def test_saves_hold_no_more_and_no_more(tmp_path, saves):
    state, warm = {"a": jax.device_put(np.zeros(3, np.float32))}, saves // 4
    with Checkpoints(tmp_path, runs.tiny("nowhere", ("s1_asc",)), "pretrain") as checkpoints:
        for step in range(1, saves + 1):
            checkpoints.save(step, state, Progress())
            if step == warm:
                before = held()
    descriptors, threads, memory = held()
    assert descriptors <= before[0] + HELD, "three a save would be left"
    assert threads <= before[1] + HELD
    assert memory < before[2] + 40e6

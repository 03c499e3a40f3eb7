"""What a session holds does not grow with what it saves."""

import jax
import numpy as np
import pytest

from mmae_jax.weights.checkpoint import Checkpoints
from mmae_jax.weights.progress import Progress
from tests import resources, runs


@pytest.mark.parametrize("saves", [12, pytest.param(500, marks=pytest.mark.slow)])
def test_saves_hold_no_more_and_no_more(tmp_path, saves):
    state, warm = {"a": jax.device_put(np.zeros(3, np.float32))}, saves // 4
    with Checkpoints(tmp_path, runs.tiny("nowhere", ("s1_asc",)), "pretrain") as checkpoints:
        for step in range(1, saves + 1):
            checkpoints.save(step, state, Progress())
            if step == warm:
                before = resources.held()
    resources.assert_no_more_than(before, resources.held())

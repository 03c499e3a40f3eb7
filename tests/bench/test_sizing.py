"""Every config and phase can be sized without its data: state and batch divide over a slice."""

import math
from pathlib import Path

import jax
import pytest

from mmae_jax import parallel
from mmae_jax.bench.compile.case import Case
from mmae_jax.spec import PHASES
from mmae_jax.train.state import Program, abstract_arguments

NO_CONFIGS = ("__init__", "common", "cross_dataset")
"""The last needs an argument."""
CONFIGS = sorted(path for path in (Path(__file__).parents[2] / "configs").glob("*.py") if path.stem not in NO_CONFIGS)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_state_and_batch_of_every_phase_divide_over_devices(config):
    phase = PHASES[CONFIGS.index(config) % len(PHASES)]
    case = Case(f"{config}", (), phase, "v5e:2x4", 1, "data=2,fsdp=2,tensor=2", 4, quick=True)
    experiment = case.experiment(8)
    state, batch = abstract_arguments(Program(experiment, phase, 10), parallel.make_mesh(experiment.mesh))
    for leaf in jax.tree.leaves(batch):
        assert (leaf.shape[0], leaf.sharding.shard_shape(leaf.shape)[0]) == (4 * 8, 4 * 2)
    held = sum(math.prod(leaf.sharding.shard_shape(leaf.shape)) for leaf in jax.tree.leaves(state))
    assert held < 0.51 * sum(leaf.size for leaf in jax.tree.leaves(state))

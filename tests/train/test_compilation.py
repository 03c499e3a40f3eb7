"""How often and how much is compiled."""

import dataclasses

import jax
import pytest

from mmae_jax.data.abstract import abstract_batch
from mmae_jax.train.state import Program, abstract_state
from mmae_jax.train.step import train_step
from tests import runs


@pytest.mark.parametrize("function", ["train_step", "evaluate_step", "update_ema"])
def test_each_function_is_compiled_once_a_phase(finished_run, compilations, function):
    # 3 phases of 2 epochs; evaluations of 3 tiles in batches of 4, on two splits.
    assert compilations[function] == 3


def test_reconstructions_are_compiled_once(finished_run, compilations):
    assert compilations["reconstruct_step"] == 1


def lowered(experiment, depth):
    sizes = dataclasses.replace(experiment.model.architecture, depth=depth)
    experiment = dataclasses.replace(experiment, model=dataclasses.replace(experiment.model, architecture=sizes))
    state = abstract_state(Program(experiment, "pretrain", 6), runs.one_device())
    assert state.params["encoder"]["s2"]["blocks"]["qkv_kernel"].shape[0] == depth - 1
    sharding = jax.sharding.NamedSharding(runs.one_device(), jax.sharding.PartitionSpec())
    batch = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), abstract_batch(experiment, 4)
    )
    return train_step.lower(Program(experiment, "pretrain", 6), state, batch)


def test_program_does_not_grow_with_depth(tiny_experiment):
    sizes = {depth: len(lowered(tiny_experiment, depth).as_text()) for depth in (12, 24)}
    assert sizes[24] <= 1.3 * sizes[12]

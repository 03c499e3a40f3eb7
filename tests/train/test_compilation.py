"""How often and how much is compiled."""

import dataclasses

import pytest

from mmae_jax import spec
from mmae_jax.train.state import Program, abstract_arguments
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
    program = Program(experiment, "pretrain", 6)
    state, batch = abstract_arguments(program, runs.one_device())
    assert state.params["encoder"]["s2"]["blocks"]["qkv_kernel"].shape[0] == depth - 1
    return train_step.lower(program, state, batch)


def test_program_does_not_grow_with_depth(tiny_experiment):
    sizes = {depth: len(lowered(tiny_experiment, depth).as_text()) for depth in (12, 24)}
    assert sizes[24] <= 1.3 * sizes[12]


def test_steps_that_compute_the_same_are_one_program(tiny_experiment):
    program = Program(tiny_experiment, "pretrain", 6)
    elsewhere = dataclasses.replace(
        tiny_experiment, data=spec.Data(workers=3), logging=spec.Logging(images=7), phases=("pretrain",), profile=(2, 3)
    )
    assert Program(runs.replaced(elsewhere, "probe", batch_size=2), "pretrain", 6) == program
    others = [
        Program(tiny_experiment, "pretrain", 7),
        Program(tiny_experiment, "finetune", 6),
        Program(runs.replaced(tiny_experiment, "pretrain", batch_size=2), "pretrain", 6),
        Program(dataclasses.replace(tiny_experiment, seed=1), "pretrain", 6),
    ]
    assert program not in others
    assert len({program, *others}) == 5

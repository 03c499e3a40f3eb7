"""What devices exchange in a step, and what they hold, read from the compiled programs."""

import dataclasses
import math

import jax
import pytest

from mmae_jax import parallel, spec
from mmae_jax.bench.compile import collectives, hlo
from mmae_jax.models.fusion import Fusion, token_validity
from mmae_jax.models.masking import draw_masks
from mmae_jax.models.params import abstract_model
from mmae_jax.train.state import Program, abstract_arguments, abstract_state, beginning, split_trained
from mmae_jax.train.step import train_step
from mmae_jax.weights.drawing import SHORTEST, drawing
from tests import experiments

BATCH = 16
SMALL = 1024
"""Bytes of single numbers: losses, counts, and the norm of the gradient, a number for each parameter."""


def program(phase, mesh, **model):
    experiment = experiments.experiment(("s2",), ("trees",), **model)
    settings = {name: dataclasses.replace(experiment.phase(name), batch_size=BATCH) for name in (phase,)}
    return Program(dataclasses.replace(experiment, mesh=mesh, **settings), phase, 10)


@pytest.fixture(scope="module")
def exchanged():
    """Compiles a step once: phase, mesh → its collectives."""
    done = {}

    def compiled(phase, sizes):
        if (phase, sizes) not in done:
            mesh = parallel.make_mesh(sizes)
            step = program(phase, sizes)
            text = train_step.lower(step, *abstract_arguments(step, mesh)).compile().as_text()
            done[phase, sizes] = collectives.find(hlo.parse(text), mesh)
        return done[phase, sizes]

    return compiled


def trained_bytes(phase):
    experiment = program(phase, spec.Mesh()).experiment
    trained, _ = split_trained(abstract_model(experiment)[1], experiment, phase)
    return sum(leaf.size * 4 for leaf in jax.tree.leaves(trained))


@pytest.mark.parametrize("phase", ["pretrain", "finetune"])
def test_data_parallelism_sums_gradients_and_scalars_only(exchanged, phase):
    found = exchanged(phase, spec.Mesh(data=8))
    assert {(one.kind, one.axes) for one in found} == {("all-reduce", ("data",))}
    total = sum(one.count * one.num_bytes for one in found)
    assert trained_bytes(phase) <= total <= trained_bytes(phase) + SMALL


@pytest.mark.parametrize("sizes", [spec.Mesh(data=1, fsdp=8), spec.Mesh(data=2, fsdp=4)], ids=["fsdp", "data and fsdp"])
@pytest.mark.parametrize("phase", ["pretrain", "finetune"])
def test_fsdp_gathers_parameters_and_sums_gradients_only(exchanged, phase, sizes):
    found = exchanged(phase, sizes)
    params = abstract_model(program(phase, sizes).experiment)[1]
    kernels = {leaf.size * 4 // depth for leaf in jax.tree.leaves(params) for depth in {1, leaf.shape[0]}}
    gathered = [one for one in found if one.kind == "all-gather"]
    assert {one.kind for one in found} <= {"all-gather", "all-reduce", "reduce-scatter"}
    assert {one.axes for one in gathered} == {("fsdp",)}
    assert {one.num_bytes for one in gathered} <= kernels
    # Once forward and once backward, none of it activations, which are many times as large.
    parameters = sum(leaf.size * 4 for leaf in jax.tree.leaves(params))
    assert sum(one.count * one.num_bytes for one in gathered) <= 2 * parameters
    summed = sum(one.count * one.num_bytes for one in found if "fsdp" in one.axes and one.kind != "all-gather")
    assert trained_bytes(phase) / 2 <= summed <= trained_bytes(phase) + SMALL


@pytest.mark.parametrize("phase", ["pretrain", "finetune"])
def test_tensor_parallelism_sums_activations_and_exchanges_none(exchanged, phase):
    kinds = {one.kind for one in exchanged(phase, spec.Mesh(data=4, tensor=2)) if one.num_bytes > SMALL}
    assert kinds == {"all-reduce"}


def test_masks_are_drawn_without_a_word_to_other_devices():
    step, mesh = program("pretrain", spec.Mesh(data=8)), parallel.make_mesh(spec.Mesh(data=8))
    fusion, rows = Fusion.of(step.experiment), jax.NamedSharding(mesh, parallel.BATCH)
    there = {name: jax.ShapeDtypeStruct((BATCH, i.num_dates), bool, sharding=rows) for name, i in fusion.inputs.items()}

    @jax.jit
    def draw(there):
        available = {name: token_validity(there[name], modality) for name, modality in fusion.inputs.items()}
        return draw_masks(jax.random.key(0), fusion, step.experiment.mask, available)

    module = hlo.parse(draw.lower(there).compile().as_text())
    assert any(one.opcode == "while" for _, _, one in module.walk()), "masks may have to be drawn again"
    assert not collectives.find(module, mesh)


@pytest.mark.parametrize("what", ["new parameters", "beginning of a phase"])
def test_no_device_ever_holds_a_whole_parameter(what):
    sizes = spec.Mesh(data=1, fsdp=4, tensor=2)
    step, mesh = program("pretrain", sizes), parallel.make_mesh(sizes)
    state = abstract_state(step, mesh)
    if what == "new parameters":
        drawn = drawing(step.experiment, mesh)
        rows = {alike for alike in drawn if alike is not None and alike.sharding.is_fully_replicated}
        assert all(row.shape == (SHORTEST,) for row in rows), "of parameters that every device holds whole"
        programs = [program for alike, program in drawn.items() if alike not in rows]
    else:
        programs = [beginning(step, mesh).lower(state.params)]
    modules = [hlo.parse(program.compile().as_text()) for program in programs]
    computations = [each for module in modules for each in module.computations.values()]
    held = max(array.num_bytes for each in computations for i in each.values() for array in i.result)
    shares = [leaf.sharding.shard_shape(leaf.shape) for leaf in jax.tree.leaves(state)]
    assert held <= 2 * max(4 * math.prod(share) for share in shares)  # drawing takes two random words a number
    assert held <= max(4 * leaf.size for leaf in jax.tree.leaves(state)) / 4

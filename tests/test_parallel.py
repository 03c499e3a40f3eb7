"""One program on every mesh: the same losses, each leaf where `parallel` says, and states that move between meshes."""

import dataclasses
import functools
import math

import jax
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from configs import flair_hub
from mmae_jax import config, parallel, spec
from mmae_jax.data.pipeline import train_batches
from mmae_jax.data.shards import open_shards
from mmae_jax.models.fusion import Fusion
from mmae_jax.models.masking import draw_masks
from mmae_jax.models.params import by_path, named
from mmae_jax.spec import SpecError
from mmae_jax.train import loop
from mmae_jax.train.state import Program, abstract_state, begin_phase
from mmae_jax.train.step import train_step
from mmae_jax.weights.checkpoint import Checkpoints, load_params
from mmae_jax.weights.drawing import new_params
from mmae_jax.weights.progress import Progress
from tests import runs

MESHES = {
    "one device": None,
    "data": spec.Mesh(data=8),
    "fsdp x tensor": spec.Mesh(data=1, fsdp=4, tensor=2),
    "all axes": spec.Mesh(data=2, fsdp=2, tensor=2),
}
STEPS = 5


def make_mesh(name):
    return runs.one_device() if MESHES[name] is None else parallel.make_mesh(MESHES[name])


@pytest.fixture(scope="module")
def experiment(synthetic_shards):
    # A seed of its own, so that no other test has compiled the same steps before: compilations are counted.
    settings = {"seed": 7, "pretrain__batch_size": 8, "finetune__batch_size": 8, "finetune__base_lr": 1e-2}
    return runs.tiny(synthetic_shards, ("s2",), **settings)


@dataclasses.dataclass
class Trained:
    begun: object
    state: object
    scalars: list
    compiled: dict


@pytest.fixture(scope="module")
def trained(experiment):
    """Five steps of both phases on every mesh, each done once."""
    shards, done = open_shards(experiment), {}

    def train(phase, name):
        if (phase, name) not in done:
            mesh, program = make_mesh(name), Program(experiment, phase, STEPS)
            state = begin_phase(program, runs.random_params(experiment, mesh), mesh)
            begun, scalars = jax.tree.map(lambda leaf: leaf.sharding, state), []
            with train_batches(experiment, phase, shards) as batches, runs.Compilations() as compiled:
                for _ in range(STEPS):
                    state, outputs = train_step(program, state, parallel.to_devices(next(batches), mesh))
                    scalars.append({name: float(value) for name, value in outputs.items()})
            done[phase, name] = Trained(begun, state, scalars, compiled)
        return done[phase, name]

    return train


@pytest.mark.parametrize("name", list(MESHES)[1:])
@pytest.mark.parametrize("phase", ["pretrain", "finetune"])
def test_losses_do_not_depend_on_the_mesh(trained, phase, name):
    found, expected = trained(phase, name).scalars, trained(phase, "one device").scalars
    assert expected[0]["loss"] != pytest.approx(expected[-1]["loss"], rel=1e-3), "something is learned"
    for step in range(STEPS):
        assert found[step] == pytest.approx(expected[step], rel=1e-5)


@pytest.mark.parametrize("name", MESHES)
@pytest.mark.parametrize("phase", ["pretrain", "finetune"])
def test_one_compilation_for_all_steps(trained, phase, name):
    assert trained(phase, name).compiled["train_step"] == 1


@pytest.mark.parametrize("name", MESHES)
@pytest.mark.parametrize("phase", ["pretrain", "finetune"])
def test_every_leaf_stays_where_it_belongs(experiment, trained, phase, name):
    abstract = abstract_state(Program(experiment, phase, STEPS), make_mesh(name))
    run = trained(phase, name)
    for shardings in (run.begun, jax.tree.map(lambda leaf: leaf.sharding, run.state)):
        found = named(shardings)
        assert list(found) == list(named(abstract))
        for leaf, expected in named(abstract).items():
            assert found[leaf].is_equivalent_to(expected.sharding, len(expected.shape)), leaf


def test_shares_on_four_by_two_devices(trained):
    state = trained("pretrain", "fsdp x tensor").state
    blocks = "encoder.s2.blocks"
    shares = {
        f"{blocks}.qkv_kernel": (1, 3, 16 // 4, 16 // 2),
        f"{blocks}.out_kernel": (1, 16 // 2 // 4, 16),
        f"{blocks}.up_kernel": (1, 16 // 4, 32 // 2),
        f"{blocks}.up_bias": (1, 32 // 2 // 4),
        f"{blocks}.mlp_norm_scale": (1, 16 // 4),
        f"{blocks}.down_kernel": (1, 32 // 2 // 4, 16),
        "patch_embed.s2.groups.0.kernel": (4, 10, 16 // 4),
        "embed_to_rec.s2.groups.0.kernel": (16 // 4, 40),
        "encoder.s2.norm.scale": (16,),
    }
    for tree in (state.params, state.ema, state.opt_state[0].mu, state.opt_state[0].nu):
        leaves = named(tree)
        for name, share in shares.items():
            assert {piece.data.shape for piece in leaves[f"{name}.value"].addressable_shards} == {share}, name


def test_new_parameters_are_the_same_on_every_mesh(experiment):
    found, expected = (new_params(experiment, make_mesh(name)) for name in ("fsdp x tensor", "one device"))
    runs.assert_same(found, expected)
    for leaf, path in zip(jax.tree.leaves(found), by_path(found), strict=True):
        assert leaf.sharding.spec == parallel.parameter_partition(path, leaf.shape)


def test_masks_do_not_depend_on_the_mesh(synthetic_shards):
    experiment = runs.tiny(synthetic_shards)
    fusion = Fusion.of(experiment)
    there = {name: np.ones((8, 2, 9), bool) for name in experiment.inputs}
    draw = jax.jit(lambda available: draw_masks(jax.random.key(0), fusion, experiment.mask, available))
    expected = draw(parallel.to_devices(there, make_mesh("one device")))
    assert np.asarray(expected["s2"].masked).sum(axis=1).tolist() == [round(0.75 * 18)] * 8
    for name in ("data", "all axes"):
        runs.assert_same(draw(parallel.to_devices(there, make_mesh(name))), expected)


@pytest.mark.parametrize(("saved", "restored"), [("fsdp x tensor", "one device"), ("one device", "all axes")])
def test_states_move_between_meshes_bit_by_bit(experiment, trained, tmp_path, saved, restored):
    state, program = trained("finetune", saved).state, Program(experiment, "finetune", STEPS)
    with Checkpoints(tmp_path, experiment, "finetune") as checkpoints:
        checkpoints.save(STEPS, state, Progress())
    with Checkpoints(tmp_path, experiment, "finetune") as checkpoints:
        found = checkpoints.restore(STEPS, abstract_state(program, make_mesh(restored)))
    runs.assert_same(found, state)
    expected = abstract_state(program, make_mesh(restored))
    assert jax.tree.map(lambda leaf: leaf.sharding, found) == jax.tree.map(lambda leaf: leaf.sharding, expected)
    params = load_params(tmp_path, STEPS, experiment, make_mesh(restored), averaged=False)
    runs.assert_same(params, state.params)
    assert jax.tree.map(lambda leaf: leaf.sharding, params) == jax.tree.map(lambda leaf: leaf.sharding, expected.params)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mesh__tensor": 4}, r"mesh\.tensor: expected a divisor of 2 heads, found 4"),
        ({"mesh__fsdp": 8, "model__architecture__decoder_dim": 20}, r"mesh\.fsdp: .* dimension .* found 8"),
        ({"mesh__data": 3}, r"mesh: .* 8 devices, .*data=3"),
        ({"mesh__fsdp": -1}, r"mesh: .* one of them -1 at most"),
        ({"mesh__fsdp": 0}, r"mesh\.fsdp: expected a positive number, or -1 for what is left, found 0"),
        ({"probe__batch_size": 4}, r"probe\.batch_size: expected a multiple of data × fsdp = 8 devices, found 4"),
    ],
)
def test_what_cannot_be_divided_is_refused_before_anything_is_compiled(synthetic_shards, tmp_path, changes, message):
    batches = {f"{phase}__batch_size": 8 for phase in ("pretrain", "probe", "finetune")}
    with runs.Compilations() as compiled, pytest.raises(SpecError, match=message):
        loop.run(runs.tiny(synthetic_shards, **(batches | changes)), tmp_path)
    assert not compiled


def test_the_free_axis_takes_what_is_left():
    assert dict(parallel.make_mesh(spec.Mesh(data=2, fsdp=-1, tensor=2)).shape) == {"data": 2, "fsdp": 2, "tensor": 2}


@pytest.mark.parametrize(
    ("path", "shape", "partition"),
    [
        (("encoder", "s2", "blocks", "qkv_kernel"), (2, 3, 16, 16), PartitionSpec(None, None, "fsdp", "tensor")),
        (("heads", "trees", "linear", "kernel"), (16, 15), PartitionSpec("fsdp")),
        (("patch_embed", "s2", "groups", 0, "kernel"), (4, 10, 16), PartitionSpec(None, None, "fsdp")),
        (("encoder", "s2", "norm", "scale"), (16,), PartitionSpec()),
    ],
)
def test_partition_of_a_parameter(path, shape, partition):
    assert parallel.parameter_partition(path, shape) == partition


@pytest.fixture(scope="module")
def state_of():
    """The abstract state of pretraining on FLAIR-HUB: architecture, fsdp → leaves."""

    @functools.cache
    def made(architecture, fsdp):
        fields = flair_hub.get_config()
        fields.model.architecture = architecture
        program = Program(config.experiment_from_config(fields), "pretrain", 10)
        return abstract_state(program, parallel.abstract_mesh(fsdp=fsdp))

    return made


def held_bytes(leaves, size=math.prod):
    return sum(size(leaf.sharding.shard_shape(leaf.shape)) * 4 for leaf in jax.tree.leaves(leaves))


@pytest.mark.parametrize("architecture", ["base", "large"])
def test_bytes_of_the_state_fall_with_fsdp(state_of, architecture):
    parameters = sum(leaf.size for leaf in jax.tree.leaves(state_of(architecture, 1).params))
    assert parameters == pytest.approx({"base": 336e6, "large": 1.19e9}[architecture], rel=0.01)
    whole = held_bytes(state_of(architecture, 1))
    for fsdp in (16, 256):
        assert held_bytes(state_of(architecture, fsdp)) == pytest.approx(whole / fsdp, rel=0.03)


def tpu_size(shape):
    """Numbers of an array as TPUs store it: in tiles of 8 rows of 128."""
    *others, rows, columns = shape
    return math.prod(others) * -(-rows // 8) * 8 * -(-columns // 128) * 128


@pytest.mark.parametrize("architecture", ["base", "large"])
@pytest.mark.parametrize("fsdp", [8, 16, 32])
def test_shares_of_the_blocks_fill_the_tiles_of_a_tpu(state_of, architecture, fsdp):
    kernels = [leaf for leaf in jax.tree.leaves(state_of(architecture, fsdp)) if len(leaf.shape) > 2]
    blocks = [leaf for leaf in kernels if leaf.sharding.spec != parallel.EMBEDDING_KERNEL]
    assert held_bytes(blocks) > 0.95 * held_bytes(state_of(architecture, fsdp))
    assert held_bytes(blocks, tpu_size) == held_bytes(blocks)

"""Foundation models are finetuned as ours: on any mesh, frozen or not, lower layers slower."""

import dataclasses

import jax
import numpy as np
import pytest
from immutabledict import immutabledict

from configs import foundation_models
from mmae_jax import config, parallel, spec
from mmae_jax.data.pipeline import train_batches
from mmae_jax.data.shards import open_shards
from mmae_jax.models.params import abstract_model, by_path, from_paths
from mmae_jax.train.layer_decay import slower_by_layer
from mmae_jax.train.state import Program, begin_phase
from mmae_jax.train.step import train_step
from tests import experiments, runs
from tests.baselines import cases

STEPS = 2
PAIRED = ("s2", "s1_asc")
CROMA = dataclasses.replace(cases.TINY, heads=16, dim_head=2)


def tiny(shards, encoder, phase=None, **model):
    """Returns the experiment of `configs/foundation_models.py` with images of two dates, in the tiniest of models."""
    fields = foundation_models.get_config(f"{encoder},treesatai_ts,runlocal")
    found = config.experiment_from_config(fields)
    inputs = {name: used for name, used in found.inputs.items() if name in (PAIRED if encoder == "croma" else ("s2",))}
    inputs = {
        name: dataclasses.replace(used, image_size=2 * used.patch_size, num_dates=2) for name, used in inputs.items()
    }
    sizes = {"architecture": cases.TINY} | ({"architecture": CROMA, "inter_depth": 1} if encoder == "croma" else {})
    changed = dataclasses.replace(found.model, **sizes | model)
    settings = dataclasses.replace(found.finetune, batch_size=8, base_lr=1e-2, **(phase or {}))
    data = dataclasses.replace(found.data, dir=str(shards))
    return dataclasses.replace(found, inputs=immutabledict(inputs), model=changed, finetune=settings, data=data)


def train(experiment, mesh):
    """Returns the parameters before and after two steps, and the losses."""
    program = Program(experiment, "finetune", STEPS)
    before = jax.tree.map(np.asarray, by_path(runs.random_params(experiment, mesh)))
    state, losses = begin_phase(program, runs.random_params(experiment, mesh), mesh), []
    with train_batches(experiment, "finetune", open_shards(experiment)) as batches:
        for _ in range(STEPS):
            state, scalars = train_step(program, state, parallel.to_devices(next(batches), mesh))
            losses.append(float(scalars["loss"]))
    return before, jax.tree.map(np.asarray, by_path(state.params)), losses


@pytest.mark.parametrize("encoder", ["dinov2", "dofa", "croma", "prithvi", "satmae"])
def test_losses_do_not_depend_on_the_mesh(synthetic_shards, encoder):
    experiment = tiny(synthetic_shards, encoder)
    expected = train(experiment, runs.one_device())[2]
    found = train(experiment, parallel.make_mesh(spec.Mesh(data=2, fsdp=2, tensor=2)))[2]
    assert found == pytest.approx(expected, rel=1e-4)
    assert abs(expected[1] - expected[0]) > 1e-3, "something is learned"


def test_of_a_frozen_model_heads_and_new_embeddings_are_trained(synthetic_shards):
    experiment = tiny(synthetic_shards, "dinov2", foundation=spec.Foundation(freeze=True))
    before, after, _ = train(experiment, runs.one_device())
    changed = {path[:2] for path in before if (before[path] != after[path]).any()}
    assert changed == {("heads", "treesat_mlc_thresh"), ("patch_embed", "s2")}


def test_bfloat16_is_near_float32(synthetic_shards):
    both = (tiny(synthetic_shards, "dinov2", dtype=dtype) for dtype in ("float32", "bfloat16"))
    losses = [train(experiment, runs.one_device())[2][0] for experiment in both]
    assert losses[1] == pytest.approx(losses[0], rel=0.03)
    assert losses[1] != losses[0]


def factors(experiment, decay):
    """Returns by what the update of each parameter is multiplied."""
    abstract = abstract_model(experiment)[1]
    ones = from_paths({path: np.ones(leaf.shape, np.float32) for path, leaf in by_path(abstract).items()}, abstract)
    return by_path(slower_by_layer(experiment, decay).update(ones, None)[0])


def test_lower_layers_of_a_foundation_model_learn_slower():
    inputs = {"aerial": cases.image("dinov2", 2), "s2": cases.image("dinov2", 2, ("B02", "B03", "B04", "B08"))}
    found = factors(cases.experiment("dinov2", inputs), 0.5)
    blocks = found["encoder", "shared", "vit", "transformer", "blocks", "qkv_kernel"]
    assert [float(layer.max()) for layer in blocks] == [0.25, 0.5]
    assert float(found["encoder", "shared", "vit", "transformer", "norm", "scale"][0]) == 1
    assert float(found["encoder", "shared", "position"][0, 0]) == 0.125
    assert float(found["patch_embed", "aerial", "known_kernel"].max()) == 0.125
    assert float(found["patch_embed", "s2", "known_kernel"].max()) == 1, "new bands learn at full speed"
    assert float(found["heads", "trees", "linear", "bias"][0]) == 1


def test_lower_layers_of_our_own_model_learn_slower():
    found = factors(experiments.experiment(inter_depth=1), 0.5)
    assert float(found["encoder_inter", "blocks", "up_kernel"].max()) == 0.5
    assert float(found["encoder", "s2", "blocks", "up_kernel"].max()) == 0.25
    assert float(found["encoder", "s2", "norm", "scale"][0]) == 0.5
    assert float(found["patch_embed", "s2", "groups", 0, "kernel"].max()) == 0.125


def test_layer_decay_scales_whole_steps(synthetic_shards):
    plain, slow = (
        train(tiny(synthetic_shards, "dinov2", phase={"layer_decay": decay}), runs.one_device())
        for decay in (None, 0.01)
    )
    path = ("encoder", "shared", "position")
    steps = [np.abs(after[path] - before[path]).max() for before, after, _ in (plain, slow)]
    assert steps[1] < 1e-5 * steps[0]


@pytest.mark.parametrize("encoder", ["dofa", "croma", "prithvi"])
def test_embeddings_learn_slowest(synthetic_shards, encoder):
    experiment = tiny(synthetic_shards, encoder)
    found = factors(experiment, 0.5)
    embeddings = [array for path, array in found.items() if "patch_embed" in path]
    assert {float(array.min()) for array in embeddings} <= {0.125, 1.0}, "1 of new bands"
    assert min(float(array.min()) for array in found.values()) == 0.125


@pytest.mark.parametrize(("encoder", "forgotten"), [("dofa", "cls_token"), ("croma", "norm")])
def test_as_published_layer_decay_forgets_parameters(synthetic_shards, encoder, forgotten):
    experiment = tiny(synthetic_shards, encoder)
    published = dataclasses.replace(experiment.model, foundation=spec.Foundation(mode="published"))
    found = factors(dataclasses.replace(experiment, model=published), 0.5)
    still = {path for path, array in found.items() if not array.any()}
    assert still == {path for path in found if forgotten in path and path[0] != "heads"}

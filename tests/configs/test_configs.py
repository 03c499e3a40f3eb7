"""Every configuration describes a model that can be trained, and a mistake in one is a line that names the field."""

import functools
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from configs import treesatai_ts
from mmae_jax import parallel, spec
from mmae_jax.config import experiment_from_config, to_plain
from mmae_jax.data.abstract import abstract_batch
from mmae_jax.data.batch import Batch
from mmae_jax.spec import Experiment, SpecError
from mmae_jax.train import loop
from mmae_jax.train.state import Program, TrainState, abstract_state
from mmae_jax.train.step import evaluate_step, train_step, update_ema

ROOT = Path(__file__).parents[2]
OTHERS = ("__init__", "common", "cross_dataset")
NAMES = sorted(path.stem for path in (ROOT / "configs").glob("*.py") if path.stem not in OTHERS)
ARGUMENTS = {"flair2": ("native",), "s2_naip_urban": ("landsat",)}
VARIANTS = [(name, argument) for name in NAMES for argument in (None, *ARGUMENTS.get(name, ()))]
# Inputs and model of a configuration that is in the ordinary suite, which also trains their `runlocal`.
LIKE_ANOTHER = (("flair2", None), ("flair2", "native"), ("quickstart", None))
TARGET = "treesat_mlc_thresh"


def build(name: str, argument: str | None) -> Experiment:
    return experiment_from_config(importlib.import_module(f"configs.{name}").get_config(argument))


def shapes(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)


def programs(experiment: Experiment) -> Iterator[tuple[Program, TrainState, Batch]]:
    """Yields each phase with its state and batch as shapes: no data, no memory."""
    mesh = parallel.make_mesh(spec.Mesh(), jax.devices()[:1])
    for phase in experiment.phases:
        program = Program(experiment, phase, total_steps=100)
        yield program, abstract_state(program, mesh), abstract_batch(experiment, experiment.phase(phase).batch_size)


def losses(program: Program) -> set[str]:
    experiment = program.experiment
    return {f"loss/{name}" for name in (experiment.inputs if program.phase == "pretrain" else experiment.targets)}


@pytest.mark.parametrize(
    ("name", "argument"),
    [pytest.param(*variant, marks=pytest.mark.slow if variant in LIKE_ANOTHER else ()) for variant in VARIANTS],
)
def test_every_phase_of_every_configuration_trains_and_is_evaluated(name, argument):
    for program, state, batch in programs(build(name, argument)):
        after, scalars = jax.eval_shape(functools.partial(train_step, program), state, batch)
        assert shapes(after) == shapes(state)
        assert set(scalars) == losses(program) | {"loss", "gradient_norm", "learning_rate", "padding_%"}
        assert all(scalar.shape == () for scalar in scalars.values())
        assert shapes(jax.eval_shape(functools.partial(update_ema, program), state)) == shapes(state)
        errors, summaries = jax.eval_shape(functools.partial(evaluate_step, program), state, batch, jnp.int32(0))
        assert {f"loss/{name}" for name in errors} == losses(program)
        assert set(summaries) == (set() if program.phase == "pretrain" else set(program.experiment.targets))


@pytest.mark.parametrize("name", NAMES)
def test_runlocal_is_smaller_and_other_arguments_are_refused(name):
    full, small = build(name, None), build(name, "runlocal")
    for phase in full.phases:
        assert small.phase(phase).epochs <= full.phase(phase).epochs
        assert small.phase(phase).batch_size <= full.phase(phase).batch_size
    assert small.dataset == full.dataset
    with pytest.raises(ValueError, match="runlocal, found 'runlokal'"):
        build(name, "runlokal")


@pytest.mark.parametrize("name", NAMES)
def test_the_top_of_a_configuration_tells_result_cost_and_command(name):
    text = importlib.import_module(f"configs.{name}").__doc__
    assert "runlocal" in text
    assert "python -m mmae_jax" in text


# Dotted field, value, and what the message says.
CONTRADICTIONS = [
    (
        "inputs.s2.bands",
        [["B02", "B99"]],
        r"inputs\.s2\.bands: no band 'B99' in treesatai_ts; expected some of B02, B03",
    ),
    ("inputs.s2.bands", [["B02", "B02"]], r"inputs\.s2\.bands: expected non-empty groups of different bands"),
    ("inputs.s3", {"bands": [["X"]], "image_size": 6, "patch_size": 2}, r"inputs\.s3: no such modality"),
    ("inputs.s2.norm_bands", [4, 4], r"inputs\.s2\.norm_bands: expected lengths that add up to 10 bands, found"),
    ("inputs.aerial.image_size", 310, r"inputs\.aerial\.image_size: expected a multiple of patch_size 20, found 310"),
    ("inputs.s2.num_dates", 0, r"inputs\.s2\.num_dates: expected a positive number, at most 4096, found 0"),
    (
        "inputs.s1_des.name_embed",
        "s2",
        r"inputs\.s2\.group_lengths: expected \(2,\) as in s1_des with the same embedding",
    ),
    ("model.fusion", "shared", r"model\.inter_depth: expected 0 in fusion mode shared, found 3"),
    ("model.fusion", "late", r"model\.fusion: expected one of shared, monotemp, mod, group, found 'late'"),
    ("model.inter_depth", 12, r"model\.inter_depth: expected 0 to 11, found 12"),
    ("model.architecture", "huge", r"model\.architecture: expected one of tiny, small, base, large, found 'huge'"),
    ("model.grid_pos_enc", 2, r"model\.grid_pos_enc: expected at least the largest grid 3, found 2"),
    ("model.ref_input", "dem", r"model\.ref_input: expected one of aerial, .* found 'dem'"),
    ("model.depht", 3, r"model\.depht: no such field; expected one of architecture, fusion"),
    ("model.date_encoding", 1, r"model\.date_encoding: expected bool, found 1"),
    ("targets", ["cover"], r"targets: no target 'cover' in treesatai_ts"),
    ("targets", [], r"targets: expected at least one for phase probe, found none"),
    ("phases", ["pretrain", "fientune"], r"phases: expected some of pretrain, probe, finetune, found 'fientune'"),
    ("phases", ["finetune", "pretrain"], r"phases: expected .*, each once, in this order, found finetune, pre"),
    ("finetune.monitor", f"{TARGET}/miou", rf"finetune\.monitor: expected one of {TARGET}/average_f1"),
    ("finetune.monitor", "weighted_f1", r"finetune\.monitor: expected one of .* found 'weighted_f1'"),
    ("probe.epochs", 0, r"probe\.epochs: expected a positive number, at most 100000, found 0"),
    ("pretrain.batch_size", "32", r"pretrain\.batch_size: expected int, found '32'"),
    ("mask.ratio", 1.0, r"mask\.ratio: expected a number in \[0, 1\), found 1\.0"),
    ("loss", "huber", r"loss: expected one of l1, l2, l1_norm, l2_norm, found 'huber'"),
    ("data.crop_meters", 35.0, r"data\.crop_meters: expected a multiple of 10 m up to 60 m, found 35"),
    ("data.crop_meters", 70.0, r"data\.crop_meters: expected a multiple of 10 m up to 60 m, found 70"),
    ("data.wrokers", 2, r"data\.wrokers: no such field; expected one of dir, workers"),
    ("seed", None, r"seed: expected int, found None"),
]


def changed(field: str, value: Any) -> dict[str, Any]:
    *above, last = field.split(".")
    config = at = to_plain(treesatai_ts.get_config("runlocal"))
    for part in above:
        at = at.setdefault(part, {})
    at[last] = value
    return config


@pytest.mark.parametrize(("field", "value", "message"), CONTRADICTIONS)
def test_a_contradiction_is_one_line_that_names_the_field(field, value, message):
    with pytest.raises(SpecError, match=rf"^{message}") as error:
        experiment_from_config(changed(field, value))
    assert "\n" not in str(error.value)


def test_a_missing_field_is_named():
    config = treesatai_ts.get_config()
    del config.pretrain["base_lr"]
    with pytest.raises(SpecError, match=r"^pretrain\.base_lr: missing"):
        experiment_from_config(config)


@pytest.mark.parametrize(
    ("mesh", "found"),
    [
        ({"data": -1, "fsdp": -1, "tensor": 1}, "data=-1, fsdp=-1, tensor=1"),
        ({"data": 3, "fsdp": 1, "tensor": 1}, "data=3, fsdp=1, tensor=1"),
        ({"data": -1, "fsdp": 3, "tensor": 1}, "data=-1, fsdp=3, tensor=1"),
    ],
)
def test_a_mesh_that_does_not_fit_the_devices_is_refused(mesh, found, tmp_path):
    with pytest.raises(SpecError, match=rf"^mesh: expected sizes whose product is 8 devices, one of them .* {found}$"):
        loop.run(experiment_from_config(changed("mesh", mesh)), tmp_path)


def test_a_batch_that_the_devices_cannot_share_is_refused(synthetic_shards, tmp_path):
    config = changed("data.dir", str(synthetic_shards))
    config["probe"]["batch_size"] = 12
    config["pretrain"]["batch_size"] = config["finetune"]["batch_size"] = 16
    with pytest.raises(
        SpecError, match=r"^probe\.batch_size: expected a multiple of data × fsdp = 8 devices, found 12$"
    ):
        loop.run(experiment_from_config(config), tmp_path)
    assert not list(tmp_path.iterdir())

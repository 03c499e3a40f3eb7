"""Weights by the names of their publishers: every tensor has a place, and every parameter a source or a reason."""

import dataclasses
import re

import numpy as np
import pytest
from etils import epath
from safetensors.numpy import save_file

from mmae_jax import spec
from mmae_jax.models.params import abstract_model, by_path
from mmae_jax.spec import SpecError
from mmae_jax.weights.publishers import from_publisher
from mmae_jax.weights.publishers.dinov2 import renamed
from mmae_jax.weights.publishers.table import NAMES
from mmae_jax.weights.source import load_initial
from mmae_jax.weights.torch_file import read_torch
from tests import runs
from tests.baselines import cases

BANDS = ("B02", "B03", "B04", "B08")
LARGE = spec.ARCHITECTURES["large"]
FULL = {
    "dinov2": (spec.ARCHITECTURES["base"], 86_579_712),
    "dinov2_sat": (LARGE, 303_350_784),
    "satmae": (LARGE, 303_099_904),
}


@pytest.fixture(scope="module")
def dinov2() -> spec.Experiment:
    inputs = {"aerial": cases.image("dinov2", 2), "s2": cases.image("dinov2", 2, BANDS, dates=2)}
    return cases.experiment("dinov2", inputs)


@pytest.mark.parametrize("encoder", FULL)
def test_at_full_size_every_parameter_has_a_tensor_and_every_tensor_its_published_size(encoder):
    architecture, parameters = FULL[encoder]
    experiment = cases.experiment(encoder, {"rgb": cases.image(encoder, 2)}, architecture=architecture)
    table = NAMES[encoder].weights(experiment)
    sizes = {weight.name: int(np.prod(weight.shape)) for weight in table}
    assert sum(sizes.values()) == parameters
    shapes = {path: leaf.shape for path, leaf in by_path(abstract_model(experiment)[1]).items() if path[0] != "heads"}
    assert {weight.path for weight in table} == set(shapes)
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == parameters


def of_transformers(tensors: dict[str, np.ndarray], names: dict[str, str]) -> dict[str, np.ndarray]:
    """Returns tensors by the names that transformers has; `names` of queries, keys, values and their projection."""
    found = {}
    for name, tensor in tensors.items():
        name = name.replace("pos_embed", "embeddings.position_embeddings").replace("cls_token", "embeddings.cls_token")
        name = name.replace("patch_embed.proj", "embeddings.patch_embeddings.projection")
        name = re.sub(r"^norm\.", "layernorm.", re.sub(r"^blocks\.", "encoder.layer.", name))
        name = re.sub(r"\.ls(\d)\.gamma", r".layer_scale\1.lambda1", name).replace(".attn.proj.", names["proj"])
        if ".attn.qkv." in name:
            parts = zip("qkv", np.split(tensor, 3), strict=True)
            found |= {name.replace(".attn.qkv.", names[part]): array for part, array in parts}
        else:
            found[name] = tensor
    return found | {"embeddings.mask_token": np.zeros((1, 32), np.float32)}


VERSION_4 = {"q": "query", "k": "key", "v": "value"}
VERSION_4 = {part: f".attention.attention.{name}." for part, name in VERSION_4.items()}
VERSION_4["proj"] = ".attention.output.dense."
VERSION_5 = {part: f".attention.{part}_proj." for part in "qkv"} | {"proj": ".attention.o_proj."}


@pytest.mark.parametrize(
    "others",
    [
        lambda tensors: of_transformers(tensors, VERSION_4),
        lambda tensors: of_transformers(tensors, VERSION_5),
        lambda tensors: (
            {f"backbone.{name}": tensor for name, tensor in tensors.items()} | {"decode_head.x": np.ones(1)}
        ),
    ],
    ids=["transformers 4", "transformers 5", "canopy"],
)
def test_all_names_that_dinov2_is_published_by_are_read(dinov2, others):
    tensors = cases.tensors(dinov2)
    found = renamed(others(tensors))
    assert set(tensors) <= set(found) <= {*tensors, "mask_token", "decode_head.x"}
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(found[name], tensor)


def test_bands_start_from_their_colour_and_others_are_new(dinov2):
    tensors = cases.tensors(dinov2)
    taken, report = from_publisher(tensors, dinov2, "file")
    kernel = tensors["patch_embed.proj.weight"].reshape(32, 3, -1).transpose(2, 1, 0)
    np.testing.assert_array_equal(taken["patch_embed", "aerial", "known_kernel"], kernel)
    np.testing.assert_array_equal(taken["patch_embed", "s2", "known_kernel"], kernel[:, ::-1])
    new = {row.parameter for row in report.rows if row.action == "new"}
    assert {name for name in new if not name.startswith("heads.")} == {"patch_embed.s2.new_kernel"}


def test_as_published_bands_start_from_the_colour_of_their_place():
    inputs = {"s2": cases.image("dinov2", 2, BANDS, dates=2)}
    experiment = cases.experiment("dinov2", inputs, foundation=spec.Foundation(mode="published"))
    taken, _ = from_publisher(tensors := cases.tensors(experiment), experiment, "file")
    kernel = tensors["patch_embed.proj.weight"].reshape(32, 3, -1).transpose(2, 1, 0)
    np.testing.assert_array_equal(taken["patch_embed", "s2", "known_kernel"], kernel)


def test_what_is_missing_or_of_another_shape_is_listed(dinov2):
    tensors = cases.tensors(dinov2)
    del tensors["norm.bias"]
    tensors["pos_embed"] = tensors["pos_embed"][:, :10]
    with pytest.raises(SpecError) as raised:
        from_publisher(tensors, dinov2, "weights.pth")
    assert str(raised.value).splitlines() == [
        "weights.pth: no weights of DINOv2 ViT-B/14: of 34 tensors, 2 differ",
        "  pos_embed: expected shape (1, 1370, 32), found (1, 10, 32)",
        "  missing norm.bias (32,)",
    ]


def test_a_file_starts_a_run_and_what_it_does_not_use_is_told(dinov2, tmp_path):
    tensors = cases.tensors(dinov2) | {"extra": np.ones(2, np.float32), "mask_token": np.ones((1, 32), np.float32)}
    save_file(tensors, tmp_path / "model.safetensors")
    experiment = dataclasses.replace(dinov2, init_from=str(tmp_path / "model.safetensors"))
    initial = load_initial(experiment, runs.one_device())
    params = by_path(initial.params)
    np.testing.assert_array_equal(params["encoder", "shared", "position"], tensors["pos_embed"][0])
    assert 0.005 < np.std(params["patch_embed", "s2", "new_kernel"]) < 0.02
    unused = {row.source: row.how for row in initial.report.rows if row.action == "unused"}
    assert unused == {"extra": "unknown", "mask_token": "not used by this encoder"}


def test_without_a_file_the_message_says_what_to_fetch(dinov2, tmp_path):
    experiment = dataclasses.replace(dinov2, init_from=str(tmp_path / "model.safetensors"))
    with pytest.raises(SpecError) as raised:
        load_initial(experiment, runs.one_device())
    for part in ("not found", "DINOv2 ViT-B/14", "https://huggingface.co/facebook/dinov2-base", "Apache-2.0"):
        assert part in str(raised.value)


def test_weights_of_8_bits_are_read_as_torch_reads_them(golden_dir):
    """`quantised.pth` holds a linear layer by torch.ao.quantization, one by channel, and what they stand for."""
    found = read_torch(epath.Path(golden_dir / "quantised.pth"))
    assert set(found) == {"0.weight", "0.bias", "expected.weight", "channels", "expected.channels"}
    np.testing.assert_allclose(found["0.weight"], found["expected.weight"], rtol=1e-6)
    np.testing.assert_allclose(found["channels"], found["expected.channels"], rtol=1e-6)

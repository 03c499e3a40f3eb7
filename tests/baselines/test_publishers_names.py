"""At full size, names and shapes are those of the publishers' models; what is left over is known to be of no use."""

import dataclasses
import json

import numpy as np
import pytest
from etils import epath

from mmae_jax import spec
from mmae_jax.models.params import abstract_model, by_path
from mmae_jax.spec import SpecError
from mmae_jax.weights.publishers import from_publisher
from mmae_jax.weights.publishers.table import NAMES
from mmae_jax.weights.torch_file import read_torch
from tests.baselines import cases

BASE, LARGE = spec.ARCHITECTURES["base"], spec.ARCHITECTURES["large"]
CROMA = dataclasses.replace(BASE, heads=16, dim_head=48)
S2 = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
HLS = ("B02", "B03", "B04", "B8A", "B11", "B12")


def experiment(encoder, inputs, **fields):
    images = {name: cases.image(encoder, 2, bands) for name, bands in inputs.items()}
    return cases.experiment(encoder, images, unit="reflectance", **fields)


FULL = {
    "dofa": ({"s2": S2}, {"architecture": BASE}, ("pos_embed", "head.", "fc_norm.")),
    "croma": (
        {"s2": S2, "s1": ("VV", "VH")},
        {"architecture": CROMA, "inter_depth": 6},
        ("s1_GAP_FFN.", "s2_GAP_FFN."),
    ),
    "prithvi": ({"s2": HLS}, {"architecture": LARGE}, ("encoder.pos_embed", "encoder.location_embed_enc.", "decoder.")),
}
"""Encoder → inputs, fields of the model, and beginnings of the names of tensors that it has no use for."""


@pytest.mark.parametrize("encoder", FULL)
def test_every_tensor_of_the_publisher_has_a_place_or_is_known_to_have_none(golden_dir, encoder):
    inputs, fields, unused = FULL[encoder]
    of = experiment(encoder, inputs, **fields)
    published = json.loads(str(np.load(golden_dir / f"{encoder}.npz")["tensors"]))
    table = {weight.name: weight for weight in NAMES[encoder].weights(of)}
    renamed = NAMES[encoder].renamed({name: np.broadcast_to(np.float32(0), s) for name, s in published.items()})
    for name, weight in table.items():
        assert renamed[name].shape == weight.shape, name
    assert {name for name in published if not name.startswith(unused)} <= {
        *table,
        *(f"encoder.{name}" for name in table),
    }
    params = {path for path in by_path(abstract_model(of)[1]) if path[0] != "heads"}
    assert params == {weight.path for weight in table.values()}


def test_positions_that_are_not_those_that_are_computed_are_refused():
    of = experiment("prithvi", {"s2": HLS}, architecture=cases.TINY)
    tensors = cases.tensors(of) | {"pos_embed": np.ones((1, 785, 32), np.float32)}
    with pytest.raises(SpecError, match="pos_embed: expected sines and cosines of 784 places, found 2"):
        from_publisher(tensors, of, "file")


def test_state_dicts_side_by_side_in_one_file_are_read_as_one(golden_dir):
    found = read_torch(epath.Path(golden_dir / "state_dicts.pt"))
    assert {name: array.tolist() for name, array in found.items()} == {
        "s1_encoder.linear_input.bias": [1, 2],
        "s1_GAP_FFN.0.bias": [3],
        "joint_encoder.norm_out.bias": [4, 5],
    }

"""The table of PyTorch names covers every parameter once, and the reference's published sizes."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
from immutabledict import immutabledict

from mmae_jax import spec
from mmae_jax.models.params import abstract_model, by_path
from mmae_jax.spec import SpecError
from mmae_jax.weights import torch_names
from tests.experiments import EACH_FUSION, INPUTS, TINY, experiment


def drawn(of):
    """Random parameters by path."""
    rng = np.random.default_rng(0)
    return {path: rng.normal(size=shape).astype(np.float32) for path, shape in shapes(of).items()}


def shapes(of):
    return {path: leaf.shape for path, leaf in by_path(abstract_model(of)[1]).items()}


EXPERIMENTS = {
    **{f"{f}_{head}": experiment(fusion=f, head=head) for f, _ in EACH_FUSION for head in ("attentive", "linear")},
    "no_joint_blocks": experiment(fusion="mod", inter_depth=0),
    "no_targets": experiment(targets=()),
    "same_width": experiment(architecture=dataclasses.replace(TINY, decoder_dim=TINY.embed_dim)),
    "one_wide_head": experiment(architecture=dataclasses.replace(TINY, heads=1, dim_head=TINY.embed_dim)),
    "shared_embedding": experiment(
        ("s1_asc", "s1_des"),
        modalities={name: dataclasses.replace(INPUTS[name], name_embed="radar") for name in ("s1_asc", "s1_des")},
    ),
}


@pytest.fixture(params=EXPERIMENTS.values(), ids=EXPERIMENTS)
def tiny(request):
    return request.param


def test_round_trip_is_bit_identical(tiny):
    params = drawn(tiny)
    back = torch_names.from_state_dict(torch_names.to_state_dict(params, tiny), shapes(tiny), tiny)
    assert set(back) == set(params)
    for path, array in params.items():
        assert back[path].tobytes() == array.tobytes(), path


def test_every_parameter_and_layer_is_written_once(tiny):
    table = torch_names.weights(tiny)
    assert len({weight.name for weight in table}) == len(table)
    written = Counter((weight.path, weight.layer) for weight in table)
    for path, shape in shapes(tiny).items():
        layers = range(shape[0]) if "blocks" in path else [None]
        assert [written.pop((path, layer)) for layer in layers] == [1] * len(layers), path
    assert not written


def test_every_number_is_counted(tiny):
    assert torch_names.count_parameters(tiny) == sum(array.size for array in drawn(tiny).values())


def test_state_dict_is_float32_in_the_shapes_of_the_table(tiny):
    tensors = torch_names.to_state_dict(drawn(tiny), tiny)
    assert {name: array.shape for name, array in tensors.items()} == {
        weight.name: weight.shape for weight in torch_names.weights(tiny)
    }
    assert all(array.dtype == np.float32 and array.flags.c_contiguous for array in tensors.values())


def test_modalities_of_one_embed_name_share_its_weights():
    names = {weight.name for weight in torch_names.weights(EXPERIMENTS["shared_embedding"])}
    assert {name.split(".")[1] for name in names if name.startswith(("patch_embed", "embed_to_rec"))} == {"radar"}
    assert {"mask_token.s1_asc", "mask_token.s1_des"} <= names


def test_equal_widths_need_no_map_from_encoder_to_decoder():
    paths = {weight.path[0] for weight in torch_names.weights(EXPERIMENTS["same_width"])}
    assert "enc_to_dec" not in paths
    assert any(weight.name.startswith("enc_to_dec.s1.") for weight in torch_names.weights(EXPERIMENTS["no_targets"]))


def test_one_head_as_wide_as_the_tokens_has_no_output_projection():
    names = {weight.name for weight in torch_names.weights(EXPERIMENTS["one_wide_head"])}
    assert not any("to_out" in name for name in names if name.startswith("encoder"))
    assert any("to_out" in name for name in names if name.startswith("decoder"))


def test_matrices_are_output_major_and_patches_row_major():
    tiny = EXPERIMENTS["group_attentive"]
    params = drawn(tiny)
    tensors = torch_names.to_state_dict(params, tiny)
    kernel = params["patch_embed", "s2", "groups", 0, "kernel"]
    assert tensors["patch_embed.s2.patchify_bands.0.conv.weight"][7, 1, 1, 0] == kernel[2, 1, 7]
    qkv = params["encoder", "s1", "blocks", "qkv_kernel"]
    # Rows of the matrix: q, k, v; then head; then channel of the head.
    assert tensors["encoder.s1.layers.0.0.to_qkv.weight"][16 + 8 + 3, 5] == qkv[0, 1, 5, 8 + 3]
    out = params["encoder", "s1", "blocks", "out_kernel"]
    assert tensors["encoder.s1.layers.0.0.to_out.0.weight"][5, 8 + 3] == out[0, 8 + 3, 5]


def test_errors_list_every_missing_unknown_and_misshapen_name():
    tiny = EXPERIMENTS["group_attentive"]
    tensors = torch_names.to_state_dict(drawn(tiny), tiny)
    del tensors["mask_token.s2"]
    del tensors["decoder.s1.norm.bias"]
    tensors["ema_model.x"] = np.zeros(3)
    tensors["encoder.s2.norm.weight"] = np.zeros((1, 16))
    with pytest.raises(SpecError) as error:
        torch_names.from_state_dict(tensors, shapes(tiny), tiny)
    lines = str(error.value).splitlines()[1:]
    assert [line.strip() for line in lines] == [
        "missing mask_token.s2 (1, 2, 1, 1, 24)",
        "missing decoder.s1.norm.bias (24,)",
        "unknown ema_model.x (3,)",
        "encoder.s2.norm.weight: expected shape (16,), found (1, 16)",
    ]


def test_a_parameter_without_a_name_is_an_error():
    tiny = EXPERIMENTS["group_attentive"]
    with pytest.raises(SpecError, match=r"parameters without a PyTorch name: heads\.trees\.extra"):
        torch_names.to_state_dict(drawn(tiny) | {("heads", "trees", "extra"): np.zeros(1)}, tiny)


def bands(count):
    return (tuple(f"b{index}" for index in range(count)),)


def radar(image_size):
    return spec.Input(bands=bands(2), image_size=image_size, patch_size=2, num_dates=4, name_group="s1")


def optical(image_size):
    return spec.Input(bands=bands(10), image_size=image_size, patch_size=2, num_dates=16)


def single(channels, image_size, patch_size):
    return spec.Input(bands=bands(channels), image_size=image_size, patch_size=patch_size)


def classes(count):
    return tuple(f"class{index}" for index in range(count))


FLAIR2 = {"aerial": single(4, 512, 16), "dem": single(2, 512, 32), "s2": optical(10)}
COSIA = spec.Target("segment", classes(15), "cosia", size=512)
# Inputs, target, reference modality; tokens and millions of parameters measured on the reference (docs/method.md §6).
PUBLISHED = {
    "treesatai_ts": (
        {"aerial": single(4, 300, 20), "s2": optical(6), "s1_asc": radar(6), "s1_des": radar(6)},
        spec.Target("multilabel", classes(15), "proportions"),
        None,
        441,
        254.9,
    ),
    "pastis_hd": (
        {"spot": single(3, 160, 16), "s2": optical(16), "s1_asc": radar(16), "s1_des": radar(16)},
        spec.Target("segment", classes(19), "pastis_seg", missing_value=19, size=16),
        "s2",
        1636,
        253.9,
    ),
    "flair2": (FLAIR2, COSIA, "aerial", 1680, 259.7),
    "flair_hub": (FLAIR2 | {"s1_asc": radar(10), "s1_des": radar(10)}, COSIA, "aerial", 1880, 336.5),
    "s2_naip": (
        {"aerial": single(4, 384, 16), "spot": single(3, 128, 16), "s2": optical(12), "s1": radar(12)},
        None,
        None,
        1360,
        330.7,
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_size_is_the_published_one(name):
    inputs, target, ref_input, tokens, millions = PUBLISHED[name]
    tiny = experiment((), (), modalities=inputs, architecture=spec.ARCHITECTURES["base"], inter_depth=3)
    targets = immutabledict({"target": target} if target else {})
    published = dataclasses.replace(
        tiny,
        targets=tuple(targets),
        dataset=dataclasses.replace(tiny.dataset, targets=targets),
        model=dataclasses.replace(tiny.model, ref_input=ref_input),
    )
    assert sum(modality.num_tokens for modality in inputs.values()) == tokens
    assert round(torch_names.count_parameters(published) / 1e6, 1) == millions

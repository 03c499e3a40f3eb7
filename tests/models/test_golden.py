"""Every number on the way equals the reference's: 1e-5 relative, gradients 1e-4, float32 on CPU."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from mmae_jax import losses
from mmae_jax.models.masking import SequenceMask, sequence_masks
from mmae_jax.models.mmae import MMAE
from mmae_jax.models.params import abstract_model, by_path, merge
from mmae_jax.models.patches import from_patches
from mmae_jax.models.samples import Samples
from mmae_jax.weights import torch_names
from tests import compilation
from tests.golden_cases import CASES, GoldenCase

VALUES, GRADIENTS = 1e-5, 1e-4
OPTIMISED = "treesat_monotemp_linear"
"""The case that is compiled as a user's process does it, which takes four times as long."""


@pytest.fixture(scope="module", params=CASES)
def case(request, golden_dir):
    return GoldenCase(golden_dir / f"{request.param}.npz")


@pytest.fixture(scope="module")
def found(case):
    """Everything computed in one jitted call, as it is in training."""
    graph, _ = abstract_model(case.experiment)
    masks = masks_of(case)

    def loss(params: nnx.State, samples: Samples):
        encoder = merge(graph, params).encoder
        assert isinstance(encoder, MMAE)
        patches = encoder.reconstruct(samples, masks)
        masked = encoder.fusion.split({name: mask.masked for name, mask in masks.items()})
        weight = jnp.ones(case.case["batch"])
        errors = losses.reconstruction_errors(patches, samples, masked, weight, case.experiment)
        return losses.reconstruction_loss(errors, case.experiment), patches

    @jax.jit
    def compute(params: nnx.State, samples: Samples):
        model = merge(graph, params)
        (total, patches), gradients = jax.value_and_grad(loss, has_aux=True)(params, samples)
        return {
            "tokens": model.encoder.embed(samples),
            "encoded": model.encoder.fusion.join(model.encoder.features(samples)),
            "logits": model.predict(samples, train_encoder=True),
            "reconstruction": {
                name: from_patches(array, case.experiment.inputs[name].patch_size) for name, array in patches.items()
            },
            "loss_rec": total,
            "grads": gradients,
        }

    optimised = compilation.optimised() if case.name == OPTIMISED else contextlib.nullcontext()
    with jax.default_matmul_precision("float32"), optimised:
        outputs = compute(case.params(), case.samples())
    return outputs | {"grads": torch_names.to_state_dict(by_path(outputs["grads"]), case.experiment)}


def masks_of(case) -> dict[str, SequenceMask]:
    masked = {name: jnp.asarray(tokens) for name, tokens in case.below("mask_tokens").items()}
    kept = {name: tokens.shape[1] - int(tokens[0].sum()) for name, tokens in masked.items()}
    return sequence_masks(masked, jax.tree.map(jnp.ones_like, masked), kept)


def assert_close(found, expected, tolerance):
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())


def test_resized_inputs(case):
    pixels = case.samples().pixels
    for name, expected in case.below("resized").items():
        assert_close(pixels[name], expected, VALUES)


@pytest.mark.parametrize("quantity", ["tokens", "encoded", "reconstruction"])
def test_intermediate(case, found, quantity):
    expected = case.below(quantity)
    assert set(found[quantity]) == set(expected)
    for name in expected:
        assert_close(found[quantity][name], expected[name], VALUES)


def test_logits(case, found):
    for name, expected in case.below("logits").items():
        if expected.ndim == 5:
            expected = expected[:, 0].transpose(0, 2, 3, 1)
        assert_close(found["logits"][name], expected, VALUES)


def test_loss(case, found):
    assert_close(found["loss_rec"], case["loss_rec"], VALUES)


def test_gradients(case, found):
    expected = case.below("grads")
    assert expected
    for name in expected:
        assert_close(found["grads"][name], expected[name], GRADIENTS)


def test_export_has_the_reference_names_shapes_and_bytes(case):
    tensors = torch_names.to_state_dict(by_path(case.params()), case.experiment)
    expected = case.below("params")
    assert {name: a.shape for name, a in tensors.items()} == {name: a.shape for name, a in expected.items()}
    for name in expected:
        assert tensors[name].tobytes() == expected[name].tobytes()

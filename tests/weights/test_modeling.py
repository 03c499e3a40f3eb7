"""The model in PyTorch against the reference's numbers, and against what the data pipeline does to raw values."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mmae_jax import spec
from mmae_jax.data.dates import missing_values, select_dates
from mmae_jax.models.encodings import position_encoding
from mmae_jax.models.resize import resize_matrix
from mmae_jax.models.samples import samples_from_batch
from mmae_jax.weights.pytorch import config
from tests import experiments
from tests.golden_cases import CASES, GoldenCase

torch = pytest.importorskip("torch")

from mmae_jax.weights.pytorch import modeling_mmae  # noqa: E402

SEGMENT = ("pastis_group_segment",)


def model_of(experiment, tensors=None, **changes):
    """Returns a model of an experiment, with random numbers where there are no tensors."""
    plain = json.loads(json.dumps(config.config_of(experiment, config.PARTS, "float32"))) | changes
    torch.manual_seed(0)
    model = modeling_mmae.Model(plain)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    if tensors is not None:
        model.load_state_dict({name: torch.from_numpy(array).float() for name, array in tensors.items()}, strict=True)
    return model.eval()


def samples_of(experiment, batch=2, seed=0):
    """Returns raw samples of an experiment in which nothing is missing."""
    rng = np.random.default_rng(seed)
    samples = {"inputs": {}, "dates": {}, "base": {}, "ref_date": np.array([[2019, 100, 0]] * batch)}
    for name, fields in experiment.inputs.items():
        side = experiment.raw_side(name)
        shape = (batch, fields.num_dates, len(fields.band_names), side, side)
        samples["inputs"][name] = rng.uniform(1, 5, shape).astype(np.float32)
        days = np.sort(rng.integers(1, 366, shape[:2]), axis=1)
        samples["dates"][name] = np.stack([np.full_like(days, 2019), days, days % 24], axis=-1)
    return samples


def assert_close(found, expected, tolerance=1e-5):
    expected = np.asarray(expected)
    assert np.abs(np.asarray(found).reshape(expected.shape) - expected).max() <= tolerance * np.abs(expected).max()


@pytest.mark.parametrize("name", CASES)
def test_outputs_are_those_of_the_reference(golden_dir, name):
    case = GoldenCase(golden_dir / f"{name}.npz")
    inputs = list(case.experiment.inputs)
    plain = json.loads(json.dumps(config.config_of(case.experiment, config.PARTS, "float32")))
    for each in inputs:  # its images are smaller than its contract says
        plain["inputs"][each]["side"] = case[f"batch/{each}"].shape[-1]
    model = model_of(case.experiment, case.below("params"), inputs=plain["inputs"])
    samples = {
        "inputs": {each: case[f"batch/{each}"].astype(np.float32) for each in inputs},
        "dates": {each: case[f"batch/{each}_dates"] for each in inputs},
        "ref_date": case["batch/ref_date"][:, 0],
    }
    with torch.inference_mode():
        sequences = {key: torch.from_numpy(mask) for key, mask in case.below("mask_tokens").items()}
        masks = model._split(sequences, model.prepare(samples))
        encoded, predicted = model._join(model.encode(samples)), model.predict(samples)
        reconstructed = model.reconstruct(samples, masks)
    for key, expected in case.below("encoded").items():
        assert_close(encoded[key], expected)
    for key, expected in case.below("reconstruction").items():
        assert_close(reconstructed[key], expected)
    for key, expected in case.below("logits").items():
        found = predicted[key].permute(0, 3, 1, 2) if name in SEGMENT else predicted[key]
        assert_close(found, expected)


@pytest.fixture(scope="module", params=experiments.EACH_FUSION, ids=str)
def experiment(request):
    fusion, inter_depth = request.param
    return experiments.experiment(fusion=fusion, inter_depth=inter_depth)


def test_missing_sensors_and_dates_are_the_same_however_they_are_said(experiment):
    model, samples = model_of(experiment), samples_of(experiment)
    absent = {part: {n: x for n, x in samples[part].items() if n != "s1_asc"} for part in ("inputs", "dates")}
    nan = {name: pixels.copy() for name, pixels in samples["inputs"].items()}
    nan["s1_asc"][:] = np.nan
    invalid = {"valid": {"s1_asc": np.zeros((2, 2), bool)}}
    with torch.inference_mode():
        expected = model.encode(samples | absent), model.predict(samples | absent)
        for said in (samples | invalid, samples | {"inputs": nan}):
            found = model.encode(said), model.predict(said)
            assert not found[0].pop("s1_asc").any()
            for one, other in zip(found, expected, strict=True):
                assert all(torch.allclose(one[name], other[name], atol=1e-5) for name in other)


def test_a_missing_date_is_as_if_there_were_fewer(experiment):
    model, samples = model_of(experiment), samples_of(experiment)
    fewer = {part: samples[part] | {"s2": samples[part]["s2"][:, :2]} for part in ("inputs", "dates")}
    invalid = {"valid": {"s2": np.array([[True, True, False]] * 2)}}
    with torch.inference_mode():
        found, expected = model.encode(samples | invalid), model.encode(samples | fewer)
        assert torch.allclose(
            found["s2"].reshape(2, 2, 3, 4, -1)[:, :, :2], expected["s2"].reshape(2, 2, 2, 4, -1), atol=1e-5
        )
        assert torch.allclose(found["aerial"], expected["aerial"], atol=1e-5)
        images = model.reconstruct(samples | invalid, 0)
    assert not images["s2"][:, 2].any()
    assert images["s2"].isfinite().all()


def test_only_visible_tokens_are_looked_at(experiment):
    model, samples = model_of(experiment), samples_of(experiment)
    with torch.inference_mode():
        masks = model.draw_masks(model.prepare(samples), 0)
        masks["s2"][0] = True  # a sample of which nothing is seen of a sensor
        expected = model.reconstruct(samples, masks)
        assert model.reconstruct(samples, 0)["s2"].shape == (2, 3, 3, 4, 4)
        changed = samples["inputs"] | {"s2": samples["inputs"]["s2"] + np.float32([[[[[3]]]], [[[[0]]]]])}
        found = model.reconstruct(samples | {"inputs": changed}, masks)
    assert all(torch.allclose(found[name], expected[name], atol=1e-5) for name in expected)


def test_bfloat16_is_close(experiment):
    model, samples = model_of(experiment), samples_of(experiment)
    with torch.inference_mode():
        expected, found = model.predict(samples), model.to(torch.bfloat16).predict(samples)
        assert model.reconstruct(samples, 0)["s2"].dtype == torch.float32
    for name in expected:
        assert_close(found[name], expected[name], 5e-2)


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint16", "int16", "uint8"])
@pytest.mark.parametrize("nodata", [None, 7])
def test_missing_pixels_are_filled_as_by_the_pipeline(dtype, nodata):
    rng = np.random.default_rng(0)
    pixels = (rng.integers(1, 9000, (2, 3, 2, 5, 5)) / 7).astype(dtype)
    pixels[rng.random(pixels.shape) < 0.1] = 7
    if dtype.startswith("float"):
        pixels[0, 1, 0, :3], pixels[1, 2] = np.nan, np.nan
    values, there = modeling_mmae.filled(torch.from_numpy(pixels), nodata, None)
    for index, stored in enumerate(pixels):
        missing = missing_values(stored, nodata)
        chosen = select_dates(stored, np.zeros((3, 3), np.int16), 3, offset=0, missing=missing)
        np.testing.assert_array_equal(values[index], chosen.pixels.astype(np.float32))
        observed = np.ones(3, bool) if chosen.valid is None else chosen.valid.any(axis=(1, 2))
        np.testing.assert_array_equal(there[index], observed)


@pytest.mark.parametrize("method", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize(("size_in", "size_out"), [(10, 4), (6, 9), (5, 5), (304, 224)])
def test_images_are_resized_as_in_training(method, size_in, size_out):
    image = np.random.default_rng(0).normal(size=(1, 1, size_in, size_in))
    matrix = resize_matrix(size_in, size_out, method).astype(np.float64)
    found = modeling_mmae.resized(torch.from_numpy(image), size_out, method)
    np.testing.assert_allclose(found[0, 0], matrix @ image[0, 0] @ matrix.T, atol=1e-5)


@pytest.mark.parametrize(("side", "grid"), [(8, 8), (12, 4), (10, 4), (10, 12)])
def test_places_are_encoded_as_in_training(side, grid):
    np.testing.assert_allclose(
        modeling_mmae.place_encoding(side, grid, 24), position_encoding(side, grid, 24), atol=2e-7
    )


def test_values_are_scaled_as_the_config_says():
    fields = spec.Input(
        bands=(("surface", "terrain"),), image_size=8, patch_size=4, norm_fac=3.0, log_scale=True, rescale_elev=True
    )
    experiment = experiments.experiment(inputs=(), modalities={"dem": fields}, ref_input="dem")
    model, seen = model_of(experiment), []
    model.inputs["dem"] = model.inputs["dem"]._replace(quantum=0.5)
    model.patch_embed["dem"].register_forward_pre_hook(lambda _, given: seen.append(given[0].numpy()))
    samples = samples_of(experiment) | {"base": {"dem": np.float32([1, 2])}}
    model.prepare(samples)
    values = samples["base"]["dem"][:, None, None, None, None] + 0.5 * samples["inputs"]["dem"]
    surface, terrain = np.split(np.log(values) / 3, 2, axis=2)
    np.testing.assert_allclose(
        seen[0], np.concatenate([surface, 30 * (surface - terrain)], axis=2), rtol=1e-4, atol=1e-5
    )


def test_values_are_standardised_as_in_training():
    fields = spec.Input(bands=(("red", "nir"),), image_size=8, patch_size=4, log_scale=True, mean=(1, 2), std=(3, 0.5))
    experiment = experiments.experiment(inputs=(), modalities={"aerial": fields}, ref_input="aerial")
    model, seen = model_of(experiment), []
    model.patch_embed["aerial"].register_forward_pre_hook(lambda _, given: seen.append(given[0].numpy()))
    samples = samples_of(experiment)
    model.prepare(samples)
    batch = {"inputs": samples["inputs"], "valid": {"aerial": np.ones((2, 1, 1, 1), bool)}}
    batch |= {"dates": samples["dates"], "ref_date": samples["ref_date"]}
    expected = samples_from_batch(batch, experiment).pixels["aerial"]
    np.testing.assert_allclose(seen[0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": {"s3": np.zeros((2, 1, 2, 8, 8))}}, r"inputs: expected some of \['aerial', .* found \['s3'\]"),
        ({"inputs": {"aerial": np.zeros((2, 1, 3, 8, 8))}}, r"aerial: expected .* found .* of \[2, 1, 3, 8, 8\]"),
        ({"inputs": {"aerial": np.zeros((2, 1, 2, 9, 9))}}, "aerial: expected"),
        ({"inputs": {"aerial": np.zeros((2, 2, 2, 8, 8))}}, "aerial: expected"),
        ({"dates": {}}, "aerial: expected dates"),
        ({"inputs": {}}, r"found \[\]"),
    ],
)
def test_samples_of_another_contract_are_named(change, message):
    experiment = experiments.experiment(inputs=("aerial", "s2"))
    with pytest.raises(ValueError, match=message):
        model_of(experiment).predict(samples_of(experiment) | change)


def test_a_model_without_heads_predicts_nothing():
    experiment = experiments.experiment(inputs=("aerial",))
    with pytest.raises(ValueError, match="predict: the weights were exported without heads"):
        model_of(experiment, targets={}).predict(samples_of(experiment))

"""What models of colour pictures are fed, from the contract's units, and what of dates is added behind them."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from mmae_jax import spec
from mmae_jax.baselines.dinov2 import Dinov2
from mmae_jax.baselines.pictures import picture
from mmae_jax.models.encodings import date_encoding
from tests import experiments
from tests.baselines import cases

BANDS = ("B04", "B08", "B02", "B03")
MEAN, DEVIATION = np.array(Dinov2.statistics.mean), np.array(Dinov2.statistics.deviation)
UNITS = {"surface reflectance": 0.3, "digital number": 255.0}


def fed(unit, value=0.6, mode="pretrained", norm_fac=2.0, valid=True, **modality):
    """Returns what DINOv2 is fed where all stored values are `value`: `[C]`."""
    image = dataclasses.replace(cases.image("dinov2", 1, BANDS), norm_fac=norm_fac)
    experiment = cases.experiment("dinov2", {"x": image}, unit=unit, foundation=spec.Foundation(mode=mode))
    stored = dataclasses.replace(experiment.dataset.modalities["x"], **modality)
    dataset = dataclasses.replace(experiment.dataset, modalities=experiment.dataset.modalities | {"x": stored})
    experiment = dataclasses.replace(experiment, dataset=dataset)
    samples = experiments.random_samples(experiment, batch=1)
    pixels = {"x": jnp.full_like(samples.pixels["x"], value / norm_fac)}
    there = {"x": jnp.full_like(samples.pixels_valid["x"], valid)}
    samples = dataclasses.replace(samples, pixels=pixels, pixels_valid=there)
    found = picture(samples, "x", experiment, Dinov2.channels(experiment, "x"), Dinov2.statistics)
    return np.asarray(found)[0, 0, :, 0, 0]


@pytest.mark.parametrize(
    ("unit", "dtype", "scale"), [("surface reflectance", "uint16", 1e-4), ("digital number", "uint8", 1)]
)
def test_each_band_is_normalised_by_its_colour_and_others_by_the_average(unit, dtype, scale):
    found = fed(unit, value=150.0, dtype=dtype, scale=scale)
    brightness = 150.0 * scale / UNITS[unit]
    mean = [MEAN[0], MEAN.mean(), MEAN[2], MEAN[1]]
    deviation = [DEVIATION[0], DEVIATION.mean(), DEVIATION[2], DEVIATION[1]]
    np.testing.assert_allclose(found, (brightness - np.array(mean)) / deviation, rtol=1e-5)


def test_a_sensor_that_uses_few_of_its_values_is_as_bright_as_pictures():
    of_spot = {"dtype": "uint16", "value_range": (0.0, 65535.0), "typical_means": (400.0, 500.0, 500.0, 600.0)}
    found = fed("digital number", value=500.0, **of_spot)
    np.testing.assert_allclose(found[0], (0.45 - MEAN[0]) / DEVIATION[0], rtol=1e-5)


def test_what_is_no_brightness_comes_as_the_experiment_scales_it():
    np.testing.assert_allclose(fed("backscatter, dB"), 0.3)


def test_as_published_inputs_are_scaled_by_the_experiment_alone():
    np.testing.assert_allclose(fed("surface reflectance", mode="published"), 0.3)


def test_missing_pixels_are_the_mean():
    np.testing.assert_array_equal(fed("surface reflectance", valid=False), 0)


def test_dates_are_encoded_behind_the_encoder():
    image = {"s2": cases.image("dinov2", 2, dates=3)}
    with_dates, without = (cases.experiment("dinov2", image, date_encoding=encoded) for encoded in (True, False))
    samples, tensors = experiments.random_samples(with_dates), cases.tensors(with_dates)
    found, plain = (cases.model(of, tensors).encoder.features(samples)["s2"] for of in (with_dates, without))
    expected = date_encoding(samples.dates["s2"], samples.ref_date, cases.TINY.embed_dim)
    np.testing.assert_allclose(found - plain, np.broadcast_to(expected[:, :, None], found.shape), atol=1e-5)


def test_without_its_last_norm_a_model_has_no_parameters_of_it():
    image = {"s2": cases.image("dinov2", 2)}
    experiment = cases.experiment("dinov2", image, foundation=spec.Foundation(keep_norm=False))
    assert not [name for name in cases.tensors(experiment) if name.startswith("norm.")]
    whole = cases.tensors(cases.experiment("dinov2", image))
    samples = experiments.random_samples(experiment)
    tokens = cases.model(experiment, whole).encoder.features(samples)["s2"]
    assert np.abs(np.asarray(tokens).mean(axis=-1)).max() > 0.1

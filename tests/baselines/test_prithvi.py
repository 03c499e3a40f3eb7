"""Prithvi-EO-2.0 against terratorch's (1.2.13, random weights), and how Sentinel-2 is adapted to it."""

import dataclasses

import numpy as np
import pytest

from mmae_jax import spec
from mmae_jax.baselines.prithvi import Prithvi
from mmae_jax.spec import SpecError
from tests.baselines import cases
from tests.experiments import without

TINY = dataclasses.replace(cases.TINY, mlp_ratio=4)
HLS = ("B02", "B03", "B04", "B8A", "B11", "B12")
S2 = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
PUBLISHED = spec.Foundation(mode="published")
AS_THEY_COME = spec.Foundation(mode="published", repaired=("band_order", "day_of_year"))


def experiment(*, patches=2, bands=HLS, dates=1, **fields):
    inputs = {"s2": cases.image("prithvi", patches, bands, dates)}
    return cases.experiment("prithvi", inputs, **{"architecture": TINY, "unit": "surface reflectance"} | fields)


@pytest.mark.parametrize(
    ("patches", "dates", "kind"),
    [(14, 2, "plain"), (14, 2, "dated"), (4, 3, "plain"), (4, 3, "dated"), (4, 3, "published"), (15, 1, "dated")],
)
def test_tokens_are_those_of_terratorch(golden_dir, patches, dates, kind):
    golden, step = np.load(golden_dir / "prithvi.npz"), {14: 10, 4: 1, 15: 5}[patches]
    defects = ("band_order",) if kind == "published" else ("band_order", "day_of_year")
    foundation = dataclasses.replace(PUBLISHED, repaired=defects)
    of = experiment(patches=patches, dates=dates, foundation=foundation, date_encoding=kind != "plain")
    side = 16 * patches
    pixels = np.random.RandomState(patches).standard_normal((2, 6, dates, side, side)).astype(np.float32)
    when = np.concatenate([golden[f"{patches}/dates"], np.zeros((2, dates, 1), np.int16)], axis=-1)
    model = cases.model(of, cases.tensors(of))
    samples = cases.samples(of, {"s2": pixels.transpose(0, 2, 1, 3, 4)}, when)
    found = model.encoder.features(samples)["s2"]
    cases.assert_close(found.reshape(2, -1, 32)[:, ::step], golden[f"{patches}/{kind}"])


def test_bands_start_from_their_own_channel_and_as_published_from_that_of_a_place():
    assert Prithvi.channels(experiment(bands=S2), "s2") == (0, 1, 2, None, None, None, None, 3, 4, 5)
    published = experiment(bands=S2, foundation=PUBLISHED)
    assert Prithvi.channels(published, "s2") == (0, 1, 2, None, None, None, 3, None, 4, 5)


def test_a_kernel_takes_the_channels_of_its_bands():
    of = experiment(bands=("B8A", "B02", "B06"))
    tensors = cases.tensors(of)
    embedding = cases.model(of, tensors).encoder.patch_embed["s2"]
    kernel = tensors["patch_embed.proj.weight"].reshape(32, 6, 256).transpose(2, 1, 0)
    np.testing.assert_array_equal(embedding.known_kernel[...], kernel[:, [3, 0]])
    assert embedding.new_kernel.shape == (256, 1, 32)


def test_reflectance_is_given_with_mean_0_and_deviation_1():
    of = experiment(bands=("B02", "B8A"), date_encoding=False)
    encoder = cases.model(of, cases.tensors(of)).encoder
    seen = []
    embed = encoder.patch_embed["s2"]
    encoder.patch_embed["s2"] = lambda pixels: seen.append(pixels) or embed(pixels)
    pixels = np.zeros((1, 1, 2, 32, 32), np.float32) + np.float32([0.1087, 0.2734 + 0.1850])[:, None, None]
    encoder.features(cases.samples(of, {"s2": pixels}))
    np.testing.assert_allclose(seen[0][0, 0, :, 0, 0], (0, 1), atol=1e-5)


def test_a_missing_date_changes_nothing_for_the_others():
    of = experiment(dates=3)
    encoder = cases.model(of, cases.tensors(of)).encoder
    samples = cases.samples(of, {"s2": cases.numbers("s2", (2, 3, 6, 32, 32))})
    one, other = (encoder.features(without(samples, "s2", garbage, dates=1))["s2"] for garbage in (0.0, 7.0))
    np.testing.assert_allclose(one[:, ::2], other[:, ::2], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"bands": ("R", "G")}, "inputs.s2.bands: expected some of B02, .* with encoder prithvi, found R, G"),
        ({"bands": ("B06",)}, "inputs.s2.bands: expected some of B02, B03, B04, B8A, B11, B12 with encoder prithvi"),
        ({"unit": "dB"}, "inputs.s2: expected a unit with the word reflectance for prithvi, found 'dB' in tiny"),
        ({"architecture": dataclasses.replace(TINY, embed_dim=24)}, "embed_dim: expected a multiple of 16"),
    ],
)
def test_inputs_that_it_cannot_take_are_refused(fields, message):
    with pytest.raises(SpecError, match=message):
        experiment(**fields)

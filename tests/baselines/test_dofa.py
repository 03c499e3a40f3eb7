"""DOFA against torchgeo's (0.8.1, random weights), and what bands it is given."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from mmae_jax import spec
from mmae_jax.baselines.dofa import wavelengths
from mmae_jax.spec import SpecError
from tests.baselines import cases

TINY = dataclasses.replace(cases.TINY, mlp_ratio=4)
S2 = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
BANDS = {"s2": S2, "s1": ("VV", "VH"), "aerial": ("R", "G", "B", "NIR")}
AS_THEY_COME = spec.Foundation(mode="published", repaired=("band_order", "s1_wavelength"))
PUBLISHED = spec.Foundation(mode="published")


def experiment(name, bands, *, patches=2, **fields):
    return cases.experiment("dofa", {name: cases.image("dofa", patches, bands)}, architecture=TINY, **fields)


@pytest.mark.parametrize(("patches", "name"), [(14, "aerial"), (3, "s2"), (3, "s1"), (3, "aerial"), (15, "s1")])
def test_tokens_are_those_of_torchgeo(golden_dir, patches, name):
    expected = np.load(golden_dir / "dofa.npz")[f"{patches}/{name}"]
    of = experiment(name, BANDS[name], patches=patches, foundation=AS_THEY_COME, date_encoding=False)
    side = of.inputs[name].image_size
    pixels = np.random.RandomState(patches).standard_normal((2, len(BANDS[name]), side, side)).astype(np.float32)
    model = cases.model(of, cases.tensors(of))
    found = model.encoder.features(cases.samples(of, {name: pixels[:, None]}))[name][:, 0]
    cases.assert_close(found[:, :: 5 if patches > 3 else 1], expected)


def test_bands_have_the_wavelength_of_their_name():
    of = experiment("camera", ("NIR", "B", "R"), unit="reflectance")
    assert wavelengths(of, "camera") == (0.81, 0.49, 0.665)
    assert wavelengths(experiment("s1", ("VV", "VH")), "s1") == (3.75, 3.75)


def test_as_published_bands_have_the_wavelength_of_their_place_and_radar_that_of_its_instrument():
    assert wavelengths(experiment("s2", S2, foundation=PUBLISHED), "s2")[:4] == (0.665, 0.56, 0.49, 0.842)
    assert wavelengths(experiment("s1_asc", ("VV", "VH"), foundation=PUBLISHED), "s1_asc") == (5.405, 5.405)
    repaired = dataclasses.replace(PUBLISHED, repaired=("s1_wavelength",))
    assert wavelengths(experiment("s1_asc", ("VV", "VH"), foundation=repaired), "s1_asc") == (3.75, 3.75)


def fed(of, name, pixels):
    """Returns what reaches the patch embedding of pixels that are the same in each band."""
    model, seen = cases.model(of, cases.tensors(of)), []
    model.encoder.patch_embed[name] = lambda x: seen.append(x) or jnp.zeros((*x.shape[:2], 4, model.encoder.width))
    side = of.inputs[name].image_size
    whole = np.broadcast_to(np.float32(pixels)[None, None, :, None, None], (1, 1, len(pixels), side, side))
    model.encoder.features(cases.samples(of, {name: whole}))
    return np.asarray(seen[0][0, 0, :, 0, 0])


def test_reflectances_are_given_as_pictures_of_8_bits_that_saturate():
    of = experiment("s2", ("B04", "B11"), unit="surface reflectance")
    np.testing.assert_allclose(fed(of, "s2", (114.1099739 / 255 * 0.3558, 72.32804172 / 255 * 0.816)), 0, atol=1e-5)
    brightest = ((255 - 114.1099739) / 77.84352553, (255 - 72.32804172) / 47.88519516)
    np.testing.assert_allclose(fed(of, "s2", (1.2, 1.2)), brightest, rtol=1e-5)


def test_backscatter_is_given_in_decibels_of_mean_0_and_deviation_1():
    power = 10 ** (np.array([-12.54847273 + 5.25697717, -20.19237134]) / 10)
    of = experiment("s1", ("VV", "VH"), unit="sigma0, linear power")
    np.testing.assert_allclose(fed(of, "s1", power), (1, 0), atol=1e-5)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "dem", "bands": ("DSM",)}, "inputs.dem.bands: expected some of B01, .* with encoder dofa, found DSM"),
        (
            {"name": "s2", "bands": ("B02",)},
            "inputs.s2: expected a unit with the word reflectance for dofa, found 'none'",
        ),
        ({"name": "camera", "bands": ("R",)}, "inputs.camera: expected a value_range in the contract of tiny"),
        ({"name": "both", "bands": ("R", "VV")}, "inputs.both.bands: expected optical or radar bands"),
        (
            {"name": "s2", "bands": ("B02",), "foundation": PUBLISHED},
            "inputs: expected aerial of 4 bands, .*found s2 of 1 bands",
        ),
    ],
)
def test_bands_that_it_cannot_take_are_refused(fields, message):
    with pytest.raises(SpecError, match=message):
        experiment(**fields)

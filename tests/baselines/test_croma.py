"""CROMA against torchgeo's (0.8.1, random weights); which images are paired, and what bands the encoders are given."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest
from immutabledict import immutabledict

from mmae_jax import spec
from mmae_jax.baselines.croma import OPTICAL_BANDS
from mmae_jax.baselines.radiometry import SURFACE
from mmae_jax.checks import check_experiment
from mmae_jax.spec import SpecError
from tests.baselines import cases
from tests.experiments import without

TINY = dataclasses.replace(cases.TINY, embed_dim=64, depth=4, heads=16, dim_head=4, mlp_ratio=4)
S2 = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
RADAR = ("VV", "VH")
PUBLISHED = spec.Foundation(mode="published")
UNITS = {"s2": "surface reflectance", "s1_asc": "sigma0, linear power", "s1_des": "sigma0, linear power"}


def experiment(dates, *, patches=2, joint=True, bands=S2, **fields):
    """Returns an experiment of inputs with a number of dates each."""
    inputs = {
        name: cases.image("croma", patches, bands if name == "s2" else RADAR, number) for name, number in dates.items()
    }
    found = cases.experiment("croma", inputs, architecture=TINY, unit="reflectance", inter_depth=0, **fields)
    modalities = {name: dataclasses.replace(one, unit=UNITS[name]) for name, one in found.dataset.modalities.items()}
    found = dataclasses.replace(
        found,
        dataset=dataclasses.replace(found.dataset, modalities=immutabledict(modalities)),
        model=dataclasses.replace(found.model, inter_depth=2 if joint else 0),
    )
    check_experiment(found)
    return found


@pytest.mark.parametrize("patches", [3, 8, 15])
def test_tokens_are_those_of_torchgeo(golden_dir, patches):
    golden, step = np.load(golden_dir / "croma.npz"), {3: 1, 8: 2, 15: 5}[patches]
    of = experiment({"s2": 1, "s1_asc": 1}, patches=patches, foundation=PUBLISHED, date_encoding=False)
    side = 8 * patches
    radar = np.random.RandomState(patches).standard_normal((2, 1, 2, side, side)).astype(np.float32)
    optical = np.random.RandomState(100 + patches).standard_normal((2, 1, 10, side, side)).astype(np.float32)
    model = cases.model(of, cases.tensors(of))
    found = model.encoder.features(cases.samples(of, {"s2": optical, "s1_asc": radar}))
    cases.assert_close(found["s1_asc"][:, 0, ::step], golden[f"{patches}/radar"])
    cases.assert_close(found["s2"][:, 0, ::step], golden[f"{patches}/optical"])
    cases.assert_close(found["s2"][:, 1, ::step], golden[f"{patches}/joint"])


@pytest.fixture(scope="module")
def paired():
    """Three optical dates and three radar images, of which the second of `s1_asc` is nearest to the first date."""
    of = experiment({"s2": 3, "s1_asc": 2, "s1_des": 1}, date_encoding=False)
    shapes = {name: (1, one.num_dates, len(one.band_names), 16, 16) for name, one in of.inputs.items()}
    pixels = {name: cases.numbers(name, shape) ** 2 for name, shape in shapes.items()}
    days = {"s2": (40, 200, 300), "s1_asc": (210, 50), "s1_des": (1,)}
    samples = dataclasses.replace(
        cases.samples(of, pixels),
        dates={name: jnp.asarray([[[2019, day, 0] for day in found]]) for name, found in days.items()},
    )
    return cases.model(of, cases.tensors(of)).encoder, samples


def test_an_optical_date_is_paired_with_the_radar_image_nearest_in_time(paired):
    encoder, samples = paired
    joint = encoder.features(samples)["s2"][:, 3:]
    alone = dataclasses.replace(
        samples, pixels=samples.pixels | {"s1_asc": samples.pixels["s1_asc"][:, jnp.array([1, 1])]}
    )
    changed = encoder.features(alone)["s2"][:, 3:]
    np.testing.assert_allclose(changed[:, 0], joint[:, 0], rtol=1e-5)
    assert np.abs(changed[:, 1:] - joint[:, 1:]).max() > 1e-3


def test_without_radar_there_are_no_pairs_and_a_missing_date_takes_no_part(paired):
    encoder, samples = paired
    there = encoder.available(without(samples, "s2", dates=0))["s2"][0, :, 0]
    assert there.tolist() == [False, True, True, False, True, True]
    gone = without(without(samples, "s1_asc"), "s1_des")
    assert encoder.available(gone)["s2"][0, :, 0].tolist() == [True] * 3 + [False] * 3
    partner = without(samples, "s1_asc", garbage=9.0, dates=1)
    np.testing.assert_array_equal(encoder.available(partner)["s2"], encoder.available(samples)["s2"])
    np.testing.assert_allclose(
        encoder.features(partner)["s2"][:, 4], encoder.features(samples)["s2"][:, 4], rtol=1e-5, atol=1e-6
    )


def test_as_published_pairs_are_of_the_same_place_and_have_to_be_as_many():
    of = experiment({"s2": 3, "s1_asc": 2, "s1_des": 1}, foundation=PUBLISHED)
    shapes = {name: (1, one.num_dates, len(one.band_names), 16, 16) for name, one in of.inputs.items()}
    samples = cases.samples(of, {name: cases.numbers(name, shape) for name, shape in shapes.items()})
    encoder = cases.model(of, cases.tensors(of)).encoder
    assert encoder.available(without(samples, "s1_des"))["s2"][0, :, 0].tolist() == [True] * 5 + [False]
    with pytest.raises(SpecError, match=r"inputs\.s2\.num_dates: expected 3 in mode published"):
        experiment({"s2": 4, "s1_asc": 2, "s1_des": 1}, foundation=PUBLISHED)


def test_channels_are_given_from_0_to_1_and_neighbours_stand_for_bands_that_are_not_there():
    of = experiment({"s2": 1}, joint=False, date_encoding=False)
    encoder, seen = cases.model(of, cases.tensors(of)).encoder, []
    encoder.optical_encoder = lambda pixels: seen.append(pixels) or jnp.zeros((1, 1, 4, 64))
    values = np.array([SURFACE[band].mean for band in S2])
    values[0] -= 2 * SURFACE["B02"].deviation
    values[7] += SURFACE["B8A"].deviation
    values[9] += 3 * SURFACE["B12"].deviation
    pixels = np.broadcast_to(np.float32(values)[None, None, :, None, None], (1, 1, 10, 16, 16))
    samples = cases.samples(of, {"s2": pixels})
    encoder.features(samples)
    expected = {"B01": 0, "B02": 0, "B8A": 0.75, "B09": 0.75, "B12": 1}
    np.testing.assert_allclose(seen[0][0, 0, :, 0, 0], [expected.get(band, 0.5) for band in OPTICAL_BANDS], atol=1e-5)
    encoder.features(without(samples, "s2", garbage=9.0))
    np.testing.assert_array_equal(seen[1], 0.5)


def test_both_orbits_go_through_one_encoder_and_bands_may_come_in_any_order():
    shuffled = ("B12", *S2[:-1])
    one, other = (experiment({"s2": 1, "s1_asc": 1}, bands=bands, date_encoding=False) for bands in (S2, shuffled))
    pixels = {
        "s2": 0.3 + cases.numbers("s2", (1, 1, 10, 16, 16)),
        "s1_asc": cases.numbers("s1", (1, 1, 2, 16, 16)) ** 2,
    }
    tensors = cases.tensors(one)
    found = cases.model(one, tensors).encoder.features(cases.samples(one, pixels))
    moved = pixels | {"s2": pixels["s2"][:, :, [9, *range(9)]]}
    again = cases.model(other, tensors).encoder.features(cases.samples(other, moved))
    np.testing.assert_allclose(found["s2"], again["s2"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("dates", "fields", "message"),
    [
        ({"s2": 1}, {}, "model.inter_depth: expected 0 without both Sentinel-1 and Sentinel-2, found 2"),
        ({"s2": 1}, {"joint": False, "bands": S2[:-1]}, "inputs.s2.bands: expected B12, too, for encoder croma"),
        (
            {"s2": 1},
            {"joint": False, "bands": S2[:-1], "foundation": PUBLISHED},
            "inputs.s2.bands: expected 10 in mode published, .*found 9",
        ),
        (
            {"s2": 1},
            {"joint": False, "bands": ("R", "G")},
            "inputs.s2.bands: expected some of VV, VH, B01, .*found R, G",
        ),
    ],
)
def test_inputs_that_it_cannot_take_are_refused(dates, fields, message):
    with pytest.raises(SpecError, match=message):
        experiment(dates, **fields)

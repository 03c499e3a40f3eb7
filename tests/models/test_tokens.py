"""From pixels to tokens and back: order, band groups, shared embeddings, preparation on the device."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mmae_jax import spec
from mmae_jax.models.fusion import Fusion, token_validity
from mmae_jax.models.params import by_path
from mmae_jax.models.patches import from_patches, mask_per_band, to_patches
from mmae_jax.models.samples import in_units, samples_from_batch
from tests.experiments import EACH_FUSION, INPUTS, Tiny, experiment, random_samples

# Two band groups, three dates, a grid of two.
S2 = INPUTS["s2"]


@pytest.fixture(scope="module")
def s2():
    return Tiny(experiment(("s2",), (), fusion="mod"))


@pytest.fixture(scope="module")
def embed(s2):
    """Tokens of s2 by band group, date and position, of one sample."""
    compiled = jax.jit(lambda samples: s2.encoder(s2.params).embed(samples)["s2"])
    return lambda samples: np.asarray(compiled(samples)).reshape(2, 3, 4, 16)


@pytest.mark.parametrize("date", [0, 2])
@pytest.mark.parametrize(("band", "group"), [(0, 0), (1, 0), (2, 1)])
@pytest.mark.parametrize(("row", "column", "position"), [(0, 1, 0), (1, 3, 1), (2, 0, 2)])
def test_tokens_are_ordered_by_band_group_date_row_column(s2, embed, date, band, group, row, column, position):
    samples = random_samples(s2.experiment, 1)
    pixel = (0, date, band, row, column)
    changed = dataclasses.replace(samples, pixels={"s2": samples.pixels["s2"].at[pixel].add(1.0)})
    touched = np.abs(embed(changed) - embed(samples)).max(axis=-1)
    others = np.delete(touched.reshape(6, 4), group * 3 + date, axis=0)
    # GroupNorm couples the tokens of one date's image and band group, and no others.
    assert (others == 0).all()
    assert (touched[group, date] > 0).all()
    assert touched[group, date].argmax() == position


def test_patches_are_row_major_and_invertible():
    pixels = jnp.arange(1 * 2 * 3 * 4 * 4.0).reshape(1, 2, 3, 4, 4)
    patches = to_patches(pixels, 2)
    assert patches.shape == (1, 2, 4, 4, 3)
    assert patches[0, 1, 2, 1, 0] == pixels[0, 1, 0, 2, 1]
    np.testing.assert_array_equal(from_patches(patches, 2), pixels)


def test_mask_reaches_the_bands_of_its_group_only():
    masked = jnp.zeros((1, 6, 4), bool).at[0, 3 + 1, 2].set(True)
    per_band = mask_per_band(masked, S2)
    assert per_band.shape == (1, 3, 4, 3)
    np.testing.assert_array_equal(np.argwhere(per_band), [[0, 1, 2, 2]])


@pytest.mark.parametrize("fusion", [fusion for fusion, _ in EACH_FUSION])
def test_split_undoes_join(fusion):
    of = Fusion.of(experiment(fusion=fusion))
    shapes = {name: (2, i.tokens_per_position, i.grid**2, 5) for name, i in of.inputs.items()}
    tokens = {name: jnp.asarray(np.random.default_rng(len(name)).normal(size=s)) for name, s in shapes.items()}
    back = of.split(of.join(tokens))
    assert list(back) == list(tokens)
    for name in tokens:
        np.testing.assert_array_equal(back[name], tokens[name])


@pytest.mark.parametrize(
    ("fusion", "sequences", "weights"),
    [
        ("shared", {"aerial": 4, "s2": 4, "s1_asc": 4, "s1_des": 4}, ("shared",)),
        ("monotemp", {"aerial": 4, "s2": 4, "s1_asc": 4, "s1_des": 4}, tuple(INPUTS)),
        ("mod", {"aerial": 4, "s2": 24, "s1_asc": 8, "s1_des": 8}, tuple(INPUTS)),
        ("group", {"aerial": 4, "s2": 24, "s1": 16}, ("aerial", "s2", "s1")),
    ],
)
def test_fusion_mode_says_which_tokens_meet(fusion, sequences, weights):
    of = Fusion.of(experiment(fusion=fusion))
    joined = of.join({name: jnp.zeros((1, i.tokens_per_position, i.grid**2)) for name, i in of.inputs.items()})
    assert {name: array.shape[1] for name, array in joined.items()} == sequences
    assert of.weight_names == weights


def test_validity_of_dates_spreads_band_group_major():
    spread = token_validity(jnp.asarray([[True, False, True]]), S2)
    np.testing.assert_array_equal(spread[0, :, 0], [True, False, True, True, False, True])
    assert spread.shape == (1, 6, 4)


def test_tokens_that_meet_in_no_encoder_do_not_touch_each_other():
    tiny = Tiny(experiment(("s2", "s1_asc", "s1_des"), (), fusion="group", inter_depth=0))
    features = jax.jit(lambda samples: tiny.encoder(tiny.params).features(samples))
    samples = random_samples(tiny.experiment, 1)
    changed = dataclasses.replace(samples, pixels=samples.pixels | {"s1_asc": -samples.pixels["s1_asc"]})
    before, after = features(samples), features(changed)
    np.testing.assert_array_equal(before["s2"], after["s2"])
    assert not np.allclose(before["s1_des"], after["s1_des"])


def test_modalities_of_one_embed_name_have_one_embedding():
    shared = {name: dataclasses.replace(INPUTS[name], name_embed="radar") for name in ("s1_asc", "s1_des")}
    of = experiment(("aerial", *shared), (), fusion="mod", modalities=shared, inter_depth=0)
    tiny = Tiny(of)
    paths = {path[:2] for path in by_path(tiny.params)}
    assert {path for path in paths if path[0] == "patch_embed"} == {("patch_embed", "aerial"), ("patch_embed", "radar")}
    assert {path for path in paths if path[0] == "embed_to_rec"} == {
        ("embed_to_rec", "aerial"),
        ("embed_to_rec", "radar"),
    }
    assert ("mask_token", "s1_des") in paths
    samples = random_samples(of, 1)
    same = {
        field: getattr(samples, field) | {"s1_des": getattr(samples, field)["s1_asc"]} for field in ("pixels", "dates")
    }
    tokens = jax.jit(lambda s: tiny.encoder(tiny.params).embed(s))(dataclasses.replace(samples, **same))
    np.testing.assert_array_equal(tokens["s1_asc"], tokens["s1_des"])


def batch_of(of, values):
    valid = {name: jnp.ones((*array.shape[:2], 1, 1), bool) for name, array in values.items()}
    dates = {name: jnp.zeros((*array.shape[:2], 3), jnp.int16) for name, array in values.items()}
    return {"inputs": values, "valid": valid, "dates": dates, "ref_date": jnp.zeros((1, 3)), "targets": {}, "weight": 1}


def test_values_are_logarithmised_then_divided_then_resized():
    modality = spec.Input(bands=(("vv",),), image_size=4, patch_size=2, log_scale=True, norm_fac=5.0)
    of = experiment((), (), modalities={"s1": modality})
    values = jnp.asarray([[1.0, 0.0], [np.e, np.e**10]], jnp.float32)[None, None, None]
    found = samples_from_batch(batch_of(of, {"s1": values}), of).pixels["s1"][0, 0, 0]
    expected = np.asarray([[0, np.log(1e-10) / 5], [0.2, 2]]).repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("log_scale", [False, True])
def test_each_band_is_standardised_after_the_logarithm(log_scale):
    modality = spec.Input(
        bands=(("vv",), ("vh",)), image_size=2, patch_size=2, log_scale=log_scale, mean=(3.0, -1.0), std=(2.0, 0.5)
    )
    of = experiment((), (), modalities={"s1": modality})
    values = np.random.default_rng(0).uniform(1, 9, (1, 3, 2, 2, 2)).astype(np.float32)
    found = samples_from_batch(batch_of(of, {"s1": jnp.asarray(values)}), of).pixels["s1"]
    expected = np.log(values) if log_scale else values
    expected = (expected - np.reshape([3, -1], (2, 1, 1))) / np.reshape([2, 0.5], (2, 1, 1))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_integers_become_float32_without_overflow():
    of = experiment(
        (), (), modalities={"s2": spec.Input(bands=(("b2",),), image_size=2, patch_size=2, norm_fac=5000.0)}
    )
    found = samples_from_batch(batch_of(of, {"s2": jnp.full((1, 1, 1, 2, 2), 65535, jnp.uint16)}), of).pixels["s2"]
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, 65535 / 5000, rtol=1e-6)


def test_elevation_pair_keeps_the_surface_and_magnifies_the_height_above_ground():
    modality = spec.Input(bands=(("dsm", "dtm"),), image_size=2, patch_size=2, norm_fac=1000.0, rescale_elev=True)
    of = experiment((), (), modalities={"dem": modality})
    values = jnp.stack([jnp.full((2, 2), 520.0), jnp.full((2, 2), 500.0)])[None, None]
    found = samples_from_batch(batch_of(of, {"dem": values}), of).pixels["dem"][0, 0, :, 0, 0]
    np.testing.assert_allclose(found, [0.52, 30 * 0.02], rtol=1e-4)


def test_a_date_is_there_if_any_of_its_pixels_is():
    valid = jnp.zeros((1, 3, 4, 4), bool).at[0, 1, 2, 3].set(True)
    samples = dataclasses.replace(random_samples(experiment(("s2",)), 1), pixels_valid={"s2": valid})
    np.testing.assert_array_equal(samples.dates_valid["s2"], [[False, True, False]])


@pytest.mark.parametrize(
    "changes",
    [
        {"log_scale": True, "norm_fac": 3.0},
        {"rescale_elev": True, "norm_fac": 30.0},
        {"mean": (40.0, -3.0), "std": (25.0, 60.0)},
        {"mean": (4.0, 3.0), "std": (0.5, 2.0), "log_scale": True},
    ],
)
def test_units_of_the_data_undo_the_preparation(changes):
    of = experiment(("aerial",), modalities={"aerial": dataclasses.replace(INPUTS["aerial"], **changes)})
    stored = dataclasses.replace(of.dataset.modalities["aerial"], dtype="uint16", scale=0.5, offset=-2.0, quantum=0.1)
    dataset = dataclasses.replace(of.dataset, modalities=of.dataset.modalities.set("aerial", stored))
    of = dataclasses.replace(of, dataset=dataset)
    raw = np.random.default_rng(0).integers(1, 1000, (2, 1, 2, 8, 8)).astype(np.uint16)
    batch = {
        "inputs": {"aerial": raw},
        "base": {"aerial": np.array([5.0, 6.0], np.float32)},
        "valid": {"aerial": np.ones((2, 1, 1, 1), bool)},
        "dates": {"aerial": np.zeros((2, 1, 3), np.int16)},
        "ref_date": np.zeros((2, 3), np.int16),
    }
    values = in_units(samples_from_batch(batch, of).pixels["aerial"], "aerial", of)
    expected = 0.5 * (np.array([5, 6]).reshape(2, 1, 1, 1, 1) + 0.1 * raw) - 2
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-4)

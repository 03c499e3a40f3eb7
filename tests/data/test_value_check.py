"""What the first batch tells about values that contradict the contract."""

import dataclasses
import functools

import numpy as np
import pytest
from immutabledict import immutabledict

from mmae_jax import contract, spec
from mmae_jax.data import shards, value_check
from tests import runs
from tests.data import example_dataset as example

BANDS = ("blue", "red", "nir")
MODALITY = spec.Modality(
    BANDS, "float32", "reflectance", 10.0, size=8, nodata=-1.0, value_range=(0.0, 9.0), typical_means=(1.0, 1.1, 3.0)
)


def experiment(modality=MODALITY, bands=(BANDS,), allow=(), **inputs):
    base = example.experiment(allow=allow)
    dataset = dataclasses.replace(base.dataset, modalities=immutabledict(s2=modality), targets=immutabledict())
    s2 = spec.Input(bands, image_size=8, patch_size=2, num_dates=3, **inputs)
    return dataclasses.replace(base, dataset=dataset, inputs=immutabledict(s2=s2), targets=())


def batch(samples=8, means=(1.0, 1.1, 3.0), seed=0):
    rng = np.random.default_rng(seed)
    scene = rng.uniform(0.7, 1.3, (samples, 3, 3, 8, 8)) * np.reshape(means, (3, 1, 1))
    valid = np.ones((samples, 3, 8, 8), bool)
    return {"inputs": {"s2": scene.astype(np.float32)}, "valid": {"s2": valid}, "base": {}}


check = functools.partial(value_check.check_values, where="folder")


def message(of, values):
    with pytest.raises(contract.ContractError) as error:
        check(of, values)
    return str(error.value)


def test_values_like_the_contract_pass():
    check(experiment(), batch())


def test_a_value_out_of_range_names_band_expected_found_and_how_to_accept_it():
    values = batch()
    values["inputs"]["s2"][2, 1, 1, 3, 3] = 9.5
    text = message(experiment(), values)
    assert "folder" in text
    assert "s2, band red: expected values from 0 to 9, found 0.77" in text
    assert "to 9.5; to accept it: data.allow=('values.s2.red',)" in text
    check(experiment(allow=("values.s2.red",)), values)


def test_nodata_nan_and_invalid_pixels_do_not_count():
    values = batch()
    values["inputs"]["s2"][0, 0, 0] = -1.0
    values["inputs"]["s2"][1, 0, 1] = np.nan
    values["inputs"]["s2"][2, 0] = 1e9
    values["valid"]["s2"][2, 0] = False
    check(experiment(), values)


def test_integers_with_a_quantum_are_compared_as_what_they_stand_for():
    modality = dataclasses.replace(MODALITY, dtype="int16", nodata=None, quantum=0.01)
    values = batch()
    values["inputs"]["s2"] = (values["inputs"]["s2"] * 100 - 200).astype(np.int16)
    values["base"]["s2"] = np.full(8, 2.0, np.float32)
    check(experiment(modality), values)
    values["base"]["s2"][5] = 9.0
    assert "expected values from 0 to 9, found" in message(experiment(modality), values)


@pytest.mark.parametrize("value", [0.0, 2.0])
def test_a_band_with_one_value_only_is_found(value):
    values = batch()
    values["inputs"]["s2"][:, :, 1] = value
    assert f"s2, band red: expected values that differ, found {value:g} only" in message(experiment(), values)
    check(experiment(allow=("values.s2.red",)), values)


def test_a_missing_modality_is_not_a_constant_band():
    values = batch()
    values["inputs"]["s2"][:], values["valid"]["s2"][:] = 0, False
    check(experiment(), values)


def test_two_swapped_bands_are_named_once_with_both_means():
    text = message(experiment(), batch(means=(3.0, 1.1, 1.0)))
    assert text.count("\n") == 1
    assert "s2, band blue and nir: expected means near 1 and 3, found" in text
    for band in ("blue", "nir"):
        check(experiment(allow=(f"values.s2.{band}",)), batch(means=(3.0, 1.1, 1.0)))


def test_the_order_in_which_an_experiment_reads_the_bands_does_not_matter():
    check(experiment(bands=(("nir",), ("red", "blue"))), batch(means=(3.0, 1.1, 1.0)))
    assert "nir and blue" in message(experiment(bands=(("nir",), ("red", "blue"))), batch())


def test_logarithms_below_zero_are_ordered_too():
    modality = dataclasses.replace(MODALITY, value_range=(-60.0, 40.0), nodata=None, typical_means=(-10.0, -17.0, 6.0))
    check(experiment(modality), batch(means=(-10.0, -17.0, 6.0)))
    assert "blue and red" in message(experiment(modality), batch(means=(-17.0, -10.0, 6.0)))


@pytest.mark.parametrize(
    "values",
    [
        batch(means=(1.1, 1.0, 3.0)),  # too alike to tell
        batch(samples=7, means=(3.0, 1.1, 1.0)),  # too few scenes to tell
        batch(means=(3.0, 3.1, 2.9)),  # snow: turned, by little
    ],
)
def test_what_real_scenes_can_look_like_is_no_swap(values):
    check(experiment(), values)


def test_some_bright_scenes_among_others_are_no_swap():
    values = batch(means=(1.0, 1.1, 3.0))
    values["inputs"]["s2"][:5] = batch(5, means=(5.0, 4.5, 2.0))["inputs"]["s2"]
    check(experiment(), values)


@pytest.mark.parametrize(("first", "second"), [("B02", "B08"), ("B04", "B05"), ("B08", "B11"), ("B8A", "B12")])
def test_swapped_bands_of_made_up_sentinel_2_are_named(synthetic_shards, first, second):
    tiny = runs.tiny(synthetic_shards)
    opened = shards.open_shards(tiny)
    value_check.check_first_values(tiny, "pretrain", opened)
    s2 = tiny.dataset.modalities["s2"]
    typical = dict(zip(s2.bands, s2.typical_means, strict=True))
    typical[first], typical[second] = typical[second], typical[first]
    s2 = dataclasses.replace(s2, typical_means=tuple(typical.values()))
    dataset = dataclasses.replace(tiny.dataset, modalities=tiny.dataset.modalities | {"s2": s2})
    with pytest.raises(contract.ContractError, match=f"s2, band {first} and {second}: expected means near"):
        value_check.check_first_values(dataclasses.replace(tiny, dataset=dataset), "pretrain", opened)


def test_shards_are_checked_before_the_first_step(synthetic_shards, tmp_path):
    tiny = runs.tiny(synthetic_shards)
    opened = shards.open_shards(tiny)
    value_check.check_first_values(tiny, "pretrain", opened)
    s2 = dataclasses.replace(tiny.dataset.modalities["s2"], value_range=(5000.0, 6000.0))
    changed = dataclasses.replace(tiny.dataset, modalities=tiny.dataset.modalities | {"s2": s2})
    with pytest.raises(contract.ContractError, match=r"s2, band B02: expected values from 5000 to 6000"):
        runs.run(
            dataclasses.replace(
                tiny, dataset=changed, data=dataclasses.replace(tiny.data, allow=("modalities.s2.value_range",))
            ),
            tmp_path / "run",
        )
    assert not (tmp_path / "run").exists()

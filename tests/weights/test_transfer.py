"""Weights that mean something else than the experiment takes them for are refused; what may differ is said."""

import dataclasses

import numpy as np
import pytest
from immutabledict import immutabledict
from safetensors.numpy import save_file

from mmae_jax.contract import ContractError, warn_once
from mmae_jax.models.params import by_path
from mmae_jax.spec import SpecError
from mmae_jax.weights import torch_names
from mmae_jax.weights.source import load_initial
from mmae_jax.weights.tensor_file import WeightsError
from mmae_jax.weights.transfer import check_transfer
from tests import runs

TINY = runs.tiny("nowhere")


@pytest.fixture(autouse=True)
def warn_again():
    warn_once.cache_clear()


def with_input(**changes):
    return dataclasses.replace(TINY, inputs=TINY.inputs | {"s2": dataclasses.replace(TINY.inputs["s2"], **changes)})


def with_modality(**changes):
    s2 = dataclasses.replace(TINY.dataset.modalities["s2"], **changes)
    return with_dataset(modalities=TINY.dataset.modalities | {"s2": s2})


def with_dataset(**changes):
    return dataclasses.replace(TINY, dataset=dataclasses.replace(TINY.dataset, **changes))


def with_model(**changes):
    return dataclasses.replace(TINY, model=dataclasses.replace(TINY.model, **changes))


def with_target(**changes):
    name = TINY.targets[0]
    target = dataclasses.replace(TINY.dataset.targets[name], **changes)
    return with_dataset(targets=TINY.dataset.targets | {name: target})


OTHERS = {
    "inputs.s2.norm_fac": with_input(norm_fac=1.0),
    "inputs.s2.mean": with_input(mean=(1.0,) * 10),
    "inputs.s2.log_scale": with_input(log_scale=True),
    "inputs.s2.rescale_elev": with_input(rescale_elev=True),
    "modalities.s2.unit": with_modality(unit="radiance"),
    "modalities.s2.scale": with_modality(scale=1.0),
    "modalities.s2.offset": with_modality(offset=-0.1),
    "modalities.s2.decibel": with_modality(decibel=True),
    "modalities.s2.date_convention": with_modality(date_convention="local time"),
    "model.date_encoding": with_model(date_encoding=False),
    "model.architecture.heads": with_model(architecture=dataclasses.replace(TINY.model.architecture, heads=1)),
    f"targets.{TINY.targets[0]}.classes": with_target(classes=TINY.dataset.targets[TINY.targets[0]].classes[::-1]),
    f"targets.{TINY.targets[0]}.threshold": with_target(threshold=0.5),
}


@pytest.mark.parametrize("field", OTHERS)
def test_weights_that_mean_something_else_are_refused_unless_that_is_accepted(field, caplog):
    with pytest.raises(ContractError, match=f"there: the weights mean something else .*\n  {field}: expected"):
        check_transfer(TINY, OTHERS[field], "there")
    data = dataclasses.replace(TINY.data, allow=(field,))
    check_transfer(dataclasses.replace(TINY, data=data), OTHERS[field], "there")
    assert f"there: accepted by data.allow: {field}: expected" in caplog.text


POSSIBLE = {
    "inputs.s2.num_dates": with_input(num_dates=5),
    "inputs.s2.image_size": with_input(image_size=12),
    "model.fusion": with_model(fusion="mod"),
}


@pytest.mark.parametrize("field", POSSIBLE)
def test_what_may_differ_is_said(field, caplog):
    check_transfer(TINY, POSSIBLE[field], "there")
    assert f"there: weights trained in other circumstances: {field}: expected" in caplog.text


@pytest.mark.parametrize(
    "other",
    [
        with_dataset(name="another", version="2", tile_meters=120.0),
        with_dataset(modalities=immutabledict({name: TINY.dataset.modalities[name] for name in TINY.inputs})),
        with_modality(size=12, nodata=0.0, dtype="float32", value_range=(0.0, 1.0)),
        dataclasses.replace(TINY, seed=1, targets=()),
        TINY,
    ],
)
def test_another_dataset_of_the_same_sensors_is_no_contradiction(other, caplog):
    check_transfer(TINY, other, "there")
    assert not caplog.records


@pytest.fixture
def tensors():
    params = by_path(runs.random_params(TINY, runs.one_device()))
    return torch_names.to_state_dict({path: np.asarray(leaf) for path, leaf in params.items()}, TINY)


def loaded(tensors, file):
    save_file(tensors, file)
    return load_initial(dataclasses.replace(TINY, init_from=str(file)), runs.one_device()).params


def test_file_that_does_not_say_what_it_was_trained_on_is_taken_at_its_word_aloud(tensors, tmp_path, caplog):
    loaded(tensors, tmp_path / "bare.safetensors")
    assert "bare.safetensors does not say what its weights were trained on: bands, units" in caplog.text


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (lambda tensor: np.full_like(tensor, np.nan), "expected finite float32 numbers, found 16 that are not"),
        (lambda tensor: np.full(tensor.shape, 1e300), "expected finite float32 numbers, found 16 that are not"),
        (lambda tensor: tensor.astype(np.int32), "expected floating-point numbers, found int32"),
    ],
)
def test_what_cannot_be_weights_is_refused_by_name(tensors, tmp_path, changed, message):
    name = "encoder.s2.norm.weight"
    with pytest.raises((SpecError, WeightsError), match=f"init_from: .*bad.safetensors: {name}: {message}"):
        loaded(tensors | {name: changed(tensors[name])}, tmp_path / "bad.safetensors")

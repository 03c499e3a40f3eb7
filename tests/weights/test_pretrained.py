"""A trained model in a notebook: what it answers is what training computes, from batches and from raw values."""

import dataclasses

import jax
import numpy as np
import pytest

import mmae_jax
from mmae_jax.data.pipeline import eval_batches
from mmae_jax.data.raw_samples import batch_of
from mmae_jax.data.shards import open_shards
from mmae_jax.spec import SpecError
from mmae_jax.train.evaluation import evaluate
from mmae_jax.train.state import Program
from mmae_jax.weights.tensor_file import WeightsError
from tests import runs

TARGET = "treesat_mlc_thresh"


@pytest.fixture(scope="module")
def batch(tiny_experiment):
    with eval_batches(tiny_experiment, 3, ("test",), open_shards(tiny_experiment)) as batches:
        return next(batches)


@pytest.fixture(scope="module")
def model(finished_run):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax, "local_devices", lambda: jax.devices()[:1])
        return mmae_jax.load(finished_run)


def raw_of(batch):
    """The raw values of a batch, as one would read them from files."""
    valid = {name: array.any(axis=(2, 3)) for name, array in batch["valid"].items()}
    return {
        "inputs": dict(batch["inputs"]),
        "dates": dict(batch["dates"]),
        "valid": valid,
        "ref_date": batch["ref_date"],
    }


def test_answers_are_those_of_the_evaluation(model, batch, tiny_experiment, finished_run):
    assert model.experiment == tiny_experiment
    assert model.contract == tiny_experiment.dataset
    logits = model.predict(batch)[TARGET]
    program, mesh = Program(tiny_experiment, "finetune", runs.STEPS["finetune"]), runs.one_device()
    state = runs.state_of(tiny_experiment, finished_run, "finetune")
    expected = evaluate(program, state, open_shards(tiny_experiment), "test", mesh).scores[TARGET]
    predicted = logits > 0
    true = batch["targets"][TARGET].astype(bool)
    np.testing.assert_array_equal((predicted & true).sum(axis=0), expected.confusion[:, 1, 1])
    tokens = model.encode(batch)
    for name, one in tiny_experiment.inputs.items():
        assert tokens[name].shape == (3, one.tokens_per_position, one.grid**2, 16)
        assert tokens[name].dtype == np.float32


def test_raw_values_are_a_batch(model, batch, tiny_experiment):
    raw = raw_of(batch)
    made = batch_of(raw, tiny_experiment)
    jax.tree.map(np.testing.assert_array_equal, made, dict(batch) | {"targets": {}})
    jax.tree.map(np.testing.assert_array_equal, made, batch_of(raw | {"valid": batch["valid"]}, tiny_experiment))
    np.testing.assert_array_equal(model.predict(raw)[TARGET], model.predict(batch)[TARGET])
    instants = np.array(["2019-02-01T13", "2020-12-31T00"], "datetime64[m]")
    one = {"inputs": {"s2": raw["inputs"]["s2"][:1]}, "dates": {"s2": instants[None]}, "ref_date": instants[:1]}
    made = batch_of(one, tiny_experiment)
    assert made["dates"]["s2"].tolist() == [[[2019, 32, 13], [2020, 366, 0]]]
    assert not made["valid"]["s1_asc"].any()
    assert model.encode(one)["s1_asc"].shape[0] == 1


def test_fewer_dates_and_holes_are_missing(model, batch, tiny_experiment):
    raw = raw_of(batch)
    fewer = {part: {"s2": raw[part]["s2"][:, :1]} for part in ("inputs", "dates")} | {"ref_date": raw["ref_date"]}
    made = batch_of(fewer, tiny_experiment)
    assert made["valid"]["s2"][:, 0].all()
    assert not made["valid"]["s2"][:, 1:].any()
    holes = raw["inputs"]["s1_asc"].astype(np.float32)
    holes[0, 0] = np.nan
    made = batch_of(raw | {"inputs": {"s1_asc": holes}}, tiny_experiment)
    assert not made["valid"]["s1_asc"][0, 0].any()
    assert np.isfinite(made["inputs"]["s1_asc"]).all()
    np.testing.assert_array_equal(made["dates"]["s1_asc"][0, 0], raw["ref_date"][0])


def test_reconstructs_what_it_hides(model, batch, tiny_experiment):
    found = model.reconstruct(batch, seed=1)
    for name, one in tiny_experiment.inputs.items():
        shape = (3, one.num_dates, len(one.band_names), one.image_size, one.image_size)
        assert found["images"][name].shape == found["masked"][name].shape == shape
        assert 0.5 < found["masked"][name].mean() < 1
        assert found["values"][name].shape == shape
    again = model.reconstruct(batch, seed=1)
    jax.tree.map(np.testing.assert_array_equal, found, again)
    other = model.reconstruct(batch, seed=2)
    assert any((other["masked"][name] != found["masked"][name]).any() for name in other["masked"])


def test_each_function_is_compiled_once(model, batch):
    with runs.Compilations() as compiled:
        for _ in range(3):
            model.predict(batch)
    assert not compiled["run"]


def test_several_devices_share_the_samples(finished_run, batch, model):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax, "local_devices", lambda: jax.devices()[:2])
        shared = mmae_jax.load(finished_run)
    np.testing.assert_allclose(shared.predict(batch)[TARGET], model.predict(batch)[TARGET], rtol=1e-5, atol=1e-6)


WRONG = {
    "no part": (lambda raw: raw | {"pixels": {}}, r"no part 'pixels'; expected some of inputs, dates"),
    "no dates": (lambda raw: {"inputs": raw["inputs"], "ref_date": raw["ref_date"]}, r"expected dates, found inputs"),
    "input": (lambda raw: raw | {"inputs": {"s3": 0}}, r"inputs: no input 's3'; expected some of s1_asc, s2"),
    "bands": (
        lambda raw: raw | {"inputs": {"s2": raw["inputs"]["s2"][:, :, :9]}},
        r"inputs: s2: expected shape \[3, 1 to 2, 10, 6, 6\] .*B02, B03.*, found \[3, 2, 9, 6, 6\]",
    ),
    "dates": (lambda raw: raw | {"dates": {}}, r"dates: expected those of input s1_asc, found none"),
    "number of dates": (
        lambda raw: raw | {"dates": {name: dates[:, :1] for name, dates in raw["dates"].items()}},
        r"dates: s\w+: expected 3 × 2 dates, found \[3, 1\]",
    ),
    "kind of dates": (
        lambda raw: raw | {"ref_date": np.zeros(3)},
        r"ref_date: expected datetime64 of 1 axes, or whole",
    ),
    "values": (
        lambda raw: raw | {"inputs": {"s2": raw["inputs"]["s2"].astype(np.float32) / 1e4}},
        r"inputs: s2: expected values of uint16, found others in sample 0",
    ),
    "valid": (
        lambda raw: raw | {"valid": {"s2": np.ones((3, 1), bool)}},
        r"valid: s2: expected shape \[3, 2\] or \[3, 2, 6, 6\], found \[3, 1, 1, 1\]",
    ),
    "no reference date": (
        lambda raw: raw | {"ref_date": np.full(3, "NaT", "datetime64[D]")},
        r"ref_date: expected years .* of what is valid, found \[0, 0, 0\] \(zeros: NaT\)",
    ),
    "no day": (
        lambda raw: raw | {"dates": {name: dates + np.array([0, 366, 0]) for name, dates in raw["dates"].items()}},
        r"dates: s1_asc: expected years up to 9999, days of the year \(1 to 366\)",
    ),
    "no sample": (lambda raw: raw | {"ref_date": np.zeros((0, 3), int)}, r"ref_date: expected at least one sample"),
}


def test_a_batch_lacks_nothing(model, batch):
    with pytest.raises(SpecError, match="samples: expected valid of a batch, found "):
        model.encode({part: arrays for part, arrays in batch.items() if part != "valid"})


@pytest.mark.parametrize("what", WRONG)
def test_wrong_samples_are_named(what, batch, tiny_experiment):
    change, message = WRONG[what]
    with pytest.raises(SpecError, match=f"^samples: {message}"):
        batch_of(change(raw_of(batch)), tiny_experiment)


def test_dates_of_what_is_missing_may_be_none(batch, tiny_experiment):
    days = np.array([["2019-05-01T10", "2019-07-20T10"]] * 3, "datetime64[h]")
    raw = raw_of(batch) | {"dates": dict.fromkeys(batch["dates"], days)}
    raw["valid"] = {name: np.array([[True, False]] * 3) for name in raw["dates"]}
    expected = batch_of(raw, tiny_experiment)
    days = np.where([[False, True]] * 3, np.datetime64("NaT"), days)
    found = batch_of(raw | {"dates": dict.fromkeys(batch["dates"], days)}, tiny_experiment)
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_what_does_not_say_what_it_is_cannot_be_loaded(tmp_path):
    from safetensors.numpy import save_file

    save_file({"x": np.zeros(1, np.float32)}, tmp_path / "bare.safetensors")
    with pytest.raises(WeightsError, match="does not say for which experiment"):
        mmae_jax.load(tmp_path / "bare.safetensors")


def test_without_heads_there_is_no_prediction(model):
    headless = dataclasses.replace(model.experiment, targets=())
    with pytest.raises(SpecError, match="predict: the model has no heads"):
        mmae_jax.pretrained.Pretrained(headless, model._params, runs.one_device()).predict({})

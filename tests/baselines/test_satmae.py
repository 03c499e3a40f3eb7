"""SatMAE against timm's blocks with embeddings by its formulas (timm 1.0.31, torch 2.14, random weights)."""

import datetime

import jax.numpy as jnp
import numpy as np
import pytest

from mmae_jax import spec
from mmae_jax.baselines.satmae import timestamps
from mmae_jax.spec import SpecError
from mmae_jax.weights.publishers import from_publisher
from tests import experiments
from tests.baselines import cases

DATES = ((2016, 32, 7), (2017, 60, 0), (2020, 366, 23))


def series(mode: str = "pretrained", patches: int = 2, **model: object) -> spec.Experiment:
    image = cases.image("satmae", patches, dates=3)
    return cases.experiment("satmae", {"s2": image}, foundation=spec.Foundation(mode=mode), **model)


@pytest.mark.parametrize("mode", ["pretrained", "published"])
@pytest.mark.parametrize("patches", [14, 5])
def test_tokens_are_those_of_timm_blocks(golden_dir, mode, patches):
    expected = np.load(golden_dir / "satmae.npz")[f"{mode}/{patches}"]
    experiment = series(mode, patches)
    side = experiment.inputs["s2"].image_size
    pixels = np.random.RandomState(patches).standard_normal((2, 3, 3, side, side)).astype(np.float32)
    model = cases.model(experiment, cases.tensors(experiment))
    dates = np.tile(np.array(DATES, np.int16), (2, 1, 1))
    found = model.encoder.features(cases.samples(experiment, {"s2": pixels}, dates))["s2"]
    cases.assert_close(found[:, :, :: 5 if patches == 14 else 1], expected)


@pytest.mark.parametrize("year", [2019, 2020])
def test_months_are_those_of_the_calendar(year):
    days = [datetime.date(year, month, day) for month in range(1, 13) for day in (1, 28)]
    numbers = np.array([(day.year, day.timetuple().tm_yday, 5) for day in days], np.int16)
    expected = [(day.year - 2002, day.month - 1, 5) for day in days]
    np.testing.assert_array_equal(timestamps(jnp.asarray(numbers), as_published=False), expected)


def test_a_date_that_is_missing_changes_nothing():
    experiment = series()
    model = cases.model(experiment, cases.tensors(experiment))
    samples = experiments.random_samples(experiment)
    found = [
        model.encoder.features(experiments.without(samples, "s2", garbage, dates=1))["s2"] for garbage in (0.0, 9.0)
    ]
    np.testing.assert_array_equal(found[0][:, [0, 2]], found[1][:, [0, 2]])
    assert np.abs(found[0] - model.encoder.features(samples)["s2"])[:, 0].max() > 1e-3


def test_positions_in_a_file_have_to_be_those_that_are_computed():
    experiment = series()
    tensors = cases.tensors(experiment) | {"pos_embed": np.zeros((1, 197, 20), np.float32)}
    with pytest.raises(SpecError, match="pos_embed: expected sines and cosines"):
        from_publisher(tensors, experiment, "file")


def test_colours_are_needed():
    image = cases.image("satmae", 2, ("B05", "B06", "B07"), dates=3)
    with pytest.raises(SpecError, match="bands: expected red, green and blue for satmae"):
        cases.experiment("satmae", {"s2": image})

"""Two inputs that read one stored modality: decoded once, cut once, in the same place and orientation."""

import dataclasses

import numpy as np
import pytest
from immutabledict import immutabledict

from mmae_jax import checks, spec
from mmae_jax.data import sample
from mmae_jax.data.abstract import abstract_batch
from mmae_jax.data.shards import needed_fields
from mmae_jax.data.tiles import Tile
from tests.data import example_dataset as example


def with_overview(**fields):
    """The example experiment with a further input `overview` that reads `aerial`."""
    settings = {"bands": (("red", "green"),), "image_size": 8, "patch_size": 4, "stored_as": "aerial"} | fields
    experiment = example.experiment()
    inputs = immutabledict(overview=spec.Input(**settings), **experiment.inputs)
    return dataclasses.replace(experiment, inputs=inputs)


@pytest.mark.parametrize("seed", range(4))
def test_both_inputs_show_the_same_pixels(seed):
    experiment = with_overview()
    tile = Tile([example.record(seed)], experiment.dataset, 0)
    result = sample.train_sample(experiment, tile, np.random.default_rng(seed))
    # aerial is configured as red, nir, green; the overview as red, green
    np.testing.assert_array_equal(result["inputs"]["overview"], result["inputs"]["aerial"][:, [0, 2]])
    np.testing.assert_array_equal(result["dates"]["overview"], result["dates"]["aerial"])


def test_a_missing_modality_is_missing_in_both():
    experiment = with_overview()
    record = example.record(0)
    record["aerial"] = {name: array[:0] for name, array in record["aerial"].items()}
    result = sample.eval_sample(experiment, Tile([record], experiment.dataset, 0), 0)
    assert not result["valid"]["overview"].any()
    assert not result["valid"]["aerial"].any()


def test_the_modality_is_decoded_once():
    fields = needed_fields(with_overview(stored_as="s2", bands=(("blue",),), mask_threshold=100.0))
    assert fields["s2"] == {"pixels": True, "dates": True, "mask": True}  # the input s2 reads the masks
    assert "overview" not in fields


def test_the_abstract_batch_is_that_of_a_sample():
    experiment = with_overview()
    made = sample.eval_sample(experiment, Tile([example.record(1)], experiment.dataset, 0), 0)
    abstract = abstract_batch(experiment, 1)
    for part in ("inputs", "valid", "dates"):
        found, expected = made[part]["overview"], abstract[part]["overview"]
        assert (found.shape, found.dtype) == (expected.shape[1:], expected.dtype)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"stored_as": "areal"},
            "inputs.overview.stored_as: 'areal': no such modality in example; expected one of aer",
        ),
        ({"bands": (("blue",),)}, "inputs.overview.bands: no band 'blue' in example; expected some of nir, red, green"),
    ],
)
def test_what_is_not_stored_is_refused(fields, message):
    with pytest.raises(spec.SpecError, match=message):
        checks.check_experiment(with_overview(**fields))

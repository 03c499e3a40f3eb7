"""Inputs and dates that are not seen, and how clear the sky was."""

import dataclasses

import numpy as np
import pytest

from mmae_jax.embeddings.embedded import embedded
from mmae_jax.embeddings.samples import SampleBatches
from mmae_jax.embeddings.tiles import ShardSamples, open_samples
from mmae_jax.evaluate import sensors
from mmae_jax.evaluate.candidate import Candidate
from mmae_jax.evaluate.evaluation import Evaluation, Plan
from mmae_jax.evaluate.samples import Reading
from mmae_jax.evaluate.sensors import Seen
from mmae_jax.evaluate.worth import worth
from mmae_jax.pretrained import Pretrained
from tests import runs

INPUTS = ("s1_asc", "s2")


@pytest.fixture(scope="module")
def model(tiny_experiment) -> Pretrained:
    mesh = runs.one_device()
    return Pretrained(tiny_experiment, runs.random_params(tiny_experiment, mesh), mesh)


@pytest.fixture(scope="module")
def tiles(tiny_experiment, synthetic_shards) -> ShardSamples:
    return open_samples(tiny_experiment, synthetic_shards, ("val",))


def batch(source):
    return SampleBatches(source, [range(len(source))], len(source))[0]["batch"]


def test_what_is_not_seen_is_as_if_it_had_never_been_there(model, tiles):
    seen = batch(Seen(("s2",))(tiles))
    assert not seen["valid"]["s1_asc"].any()
    np.testing.assert_array_equal(
        seen["dates"]["s1_asc"], np.broadcast_to(seen["ref_date"][:, None], (3, *seen["dates"]["s1_asc"].shape[1:]))
    )
    other = seen | {"inputs": seen["inputs"] | {"s1_asc": seen["inputs"]["s1_asc"][::-1] * 2}}
    predicted = [next(iter(model.predict(one).values())) for one in (seen, other, batch(tiles))]
    np.testing.assert_allclose(predicted[0], predicted[1], atol=1e-6)
    assert np.isfinite(predicted[0]).all()
    assert np.abs(predicted[0] - predicted[2]).max() > 1e-4


def test_of_all_that_there_is_nothing_changes(tiles):
    assert Seen(INPUTS)(tiles) is tiles


def test_so_many_dates_are_kept(tiles):
    whole, seen = batch(tiles), batch(Seen(INPUTS, 1)(tiles))
    for name in INPUTS:
        there = seen["valid"][name].any(axis=(2, 3))
        np.testing.assert_array_equal(
            there.sum(axis=1), np.minimum(whole["valid"][name].any(axis=(2, 3)).sum(axis=1), 1)
        )
        np.testing.assert_array_equal(seen["dates"][name][there], whole["dates"][name][there])


@pytest.mark.parametrize(
    ("number", "expected"), [(None, [0, 2, 3, 5, 7]), (1, [3]), (2, [2, 5]), (4, [0, 2, 5, 7]), (9, [0, 2, 3, 5, 7])]
)
def test_dates_are_evenly_spread_over_those_that_are_there(number, expected):
    assert sensors.spread(np.array([0, 2, 3, 5, 7]), number).tolist() == expected


def test_each_subset_is_kept_by_itself_and_computed_by_the_same_program(model, synthetic_shards, tmp_path):
    options = {"targets": (), "batch_size": 3, "cache": tmp_path}
    every = embedded(model, synthetic_shards, ("val",), **options)
    cases = [*sensors.subsets(model.experiment), Seen(INPUTS, 1)]
    with runs.Compilations() as compiled:
        found = [embedded(model, synthetic_shards, ("val",), **options, seen=seen) for seen in cases]
    assert not compiled
    assert len(list(tmp_path.iterdir())) == len(cases)
    np.testing.assert_array_equal(found[0].vectors, every.vectors)
    for one in found[1:]:
        assert np.abs(one.vectors - every.vectors).max() > 1e-3


def test_which_subsets_there_are(tiny_experiment):
    assert sensors.subsets(tiny_experiment) == [Seen(INPUTS), Seen(("s1_asc",)), Seen(("s2",))]
    three = dataclasses.replace(
        tiny_experiment,
        inputs=type(tiny_experiment.inputs)(tiny_experiment.inputs | {"x": tiny_experiment.inputs["s2"]}),
    )
    assert [seen.inputs for seen in sensors.subsets(three)] == [
        ("s1_asc", "s2", "x"),
        ("s2", "x"),
        ("s1_asc", "x"),
        ("s1_asc", "s2"),
        ("s1_asc",),
        ("s2",),
        ("x",),
    ]


@pytest.mark.parametrize(("most", "expected"), [(1, []), (2, [1]), (4, [1, 2]), (5, [1, 2, 4])])
def test_which_numbers_of_dates_there_are(tiny_experiment, most, expected):
    one = dataclasses.replace(tiny_experiment.inputs["s2"], num_dates=most)
    experiment = dataclasses.replace(tiny_experiment, inputs=type(tiny_experiment.inputs)({"s2": one}))
    assert [seen.dates for seen in sensors.fewer_dates(experiment)] == expected


def test_clear_shares_are_those_of_the_masks(tiny_experiment, synthetic_shards):
    samples = open_samples(tiny_experiment, synthetic_shards)
    assert sensors.optical_series(samples.experiment) == ("s2",)
    shares, known = sensors.skies(samples)
    assert shares.shape == (len(samples),)
    assert known[-1] == samples.sample(len(samples) - 1)[1]
    masks = samples.stored(0)[0]["s2"]["mask"]
    threshold = tiny_experiment.inputs["s2"].mask_threshold
    assert shares[0] == pytest.approx(1 - (masks > threshold).any(axis=1).mean())
    assert 0 < shares.min() < shares.max() <= 1


def test_samples_under_most_clouds_come_first():
    parts = sensors.by_clouds(np.array([0.9, np.nan, 0.1, 0.5, 0.2, 0.6, 1.0]))
    assert [part.tolist() for part in parts] == [[2, 4], [3, 5], [0, 6]]
    assert sensors.by_clouds(np.ones(5)) == []
    assert sensors.by_clouds(np.array([0.1, 0.2])) == []


def test_scores_with_less_are_told_beside_those_with_all(model, synthetic_shards, tmp_path):
    reading = Reading(str(synthetic_shards), model.experiment.targets, batch=3, workers=0, cache=tmp_path)
    candidate = Candidate(model, "run", "finetune", model.experiment.targets)
    plan = Plan(("finetuned", "knn"), controls=False, draws=20)
    scored = list(Evaluation(plan, reading, candidate).run())
    found = list(worth(plan, reading, candidate, scored))
    told = {(one.protocol, one.inputs, one.dates) for one in found if one.clouds is None}
    dates = [seen.dates for seen in sensors.fewer_dates(model.experiment)]
    parts = [(("s1_asc",), None), (("s2",), None), *((INPUTS, number) for number in dates)]
    assert told == {(name, *seen) for name in ("finetuned", "knn") for seen in parts}
    whole = {one.protocol: one.tested.samples["logits"] for one in scored}
    for name, logits in whole.items():
        thirds = [one for one in found if one.protocol == name and one.clouds is not None]
        assert [one.groups for one in thirds] == [1, 1, 1]
        assert all("% clear" in str(one.clouds) for one in thirds)
        every = np.concatenate([one.tested.samples["logits"] for one in thirds])
        np.testing.assert_array_equal(np.sort(every, axis=0), np.sort(logits, axis=0))
    alone = next(one for one in found if one.protocol == "finetuned" and one.inputs == ("s2",))
    assert np.abs(alone.tested.samples["logits"] - whole["finetuned"]).max() > 1e-4

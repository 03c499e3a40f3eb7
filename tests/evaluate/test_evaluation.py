"""Kinds of target through protocols and controls, groups, and what stands for numbers that are missing."""

import dataclasses
import types

import numpy as np
import pytest

from mmae_jax.embeddings.embedded import Embedded
from mmae_jax.embeddings.pooling import Pooling
from mmae_jax.evaluate.controls import BandStatistics
from mmae_jax.evaluate.evaluation import BANDS, CHECKPOINT, MAJORITY, UNTRAINED, Evaluation, Plan, differences
from mmae_jax.evaluate.groups import GroupBy
from mmae_jax.evaluate.samples import Reading, parted
from mmae_jax.spec import SpecError
from tests import experiments
from tests.evaluate.vectors import BIOMASS, CLASSIF, HEIGHT, MULTILABEL, SEGMENT, clusters

SIZES = {"train": 60, "val": 30, "test": 40}


def embedded(target, split, noise):
    found = clusters(target, SIZES[split], seed=sorted(SIZES).index(split), noise=noise)
    names = np.array([f"{split}_{number}" for number in range(SIZES[split])])
    nothing = np.zeros(len(names), int)
    return Embedded(names, nothing, nothing, nothing, np.zeros((len(names), 2)), found.vectors, {"it": found.targets})


@dataclasses.dataclass(frozen=True)
class MadeUp(Reading):
    """Vectors around the centres of their classes; those of what was not trained lie anywhere."""

    target: object = None

    def splits(self, candidate):
        return SIZES

    def vectors(self, candidate, split, pooling, seen=None):
        assert pooling.per == ("patch" if self.target.is_raster else "tile")
        good = type(pooling) is Pooling and candidate.where == CHECKPOINT
        return embedded(self.target, split, 0.1 if good else 20)


def candidate(target, where=CHECKPOINT):
    dataset = types.SimpleNamespace(targets={"it": target})
    experiment = types.SimpleNamespace(dataset=dataset, inputs={"s2": None})
    model = types.SimpleNamespace(experiment=experiment)
    return types.SimpleNamespace(model=model, where=where, untrained=lambda: candidate(target, UNTRAINED))


def scored(target, *protocols, **changes):
    plan = Plan(protocols, draws=20, **changes)
    return list(Evaluation(plan, MadeUp("", ("it",), 1, 0, None, target), candidate(target)).run())


@pytest.mark.parametrize(
    ("target", "metric", "least"),
    [
        (CLASSIF, "overall_accuracy", 0.9),
        (MULTILABEL, "micro_ap", 0.9),
        (SEGMENT, "average_iou", 0.7),
        (BIOMASS, "r2", 0.8),
        (HEIGHT, "r2", 0.8),
    ],
    ids=lambda one: getattr(one, "field", None),
)
def test_every_kind_of_target_is_learnt_and_controls_are_worse(target, metric, least):
    found = scored(target, "knn", "linear", *(["dense"] if target is SEGMENT else []))
    by_of = {(one.of, one.protocol): one for one in found}
    assert len(by_of) == len(found) == (8 if target is SEGMENT else 6)
    for (of, by), one in by_of.items():
        value = one.resampled.values[metric]
        # steps as few as torchgeo-bench's hardly learn from so few tiles
        assert (value > least) == (of == CHECKPOINT) or by == "dense", (of, by, value)
    held = differences(found)
    assert {each.against.of for each in held} == {UNTRAINED, BANDS, MAJORITY}
    assert all(each.metrics[metric].value > 0 for each in held if each.scored.protocol != "dense")


def test_the_majority_scores_what_is_most_frequent():
    (*_, one) = scored(CLASSIF, "knn")
    train, test = (embedded(CLASSIF, split, 1).targets["it"] for split in ("train", "test"))
    assert one.of == MAJORITY
    share = (test == np.bincount(train).argmax()).mean()
    assert one.resampled.values["overall_accuracy"] == pytest.approx(share)
    (*_, one) = scored(BIOMASS, "knn")
    train, test = (embedded(BIOMASS, split, 1).targets["it"] for split in ("train", "test"))
    assert one.resampled.values["rmse"] == pytest.approx(np.sqrt(np.mean((test - train.mean()) ** 2)), rel=1e-5)


def test_targets_of_tiles_have_no_dense_protocol():
    with pytest.raises(SpecError, match="--protocol=dense: expected a target with a value for each pixel, found it;"):
        Evaluation(Plan(("dense",)), MadeUp("", ("it",), 1, 0, None, CLASSIF), candidate(CLASSIF))


def test_no_group_that_is_scored_is_learnt_from_or_chosen_by():
    train, val, test = (embedded(CLASSIF, split, 1) for split in SIZES)
    tens = GroupBy.parsed(r"\d$")  # their last digits
    test = dataclasses.replace(test, names=np.array(["test_3", "test_7"]))
    found = parted(train, val, test, tens)
    for rows, of, number in ((found.train_rows, train, 48), (found.val_rows, val, 24)):
        assert len(rows) == number
        assert not {name[-1] for name in of.names[rows].tolist()} & {"3", "7"}
    held = parted(train, None, test, tens)
    digits = [{name[-1] for name in train.names[rows].tolist()} for rows in (held.train_rows, held.val_rows)]
    assert (len(digits[0]), len(digits[1])) == (6, 2)
    assert not digits[0] & digits[1]


def test_band_statistics_are_numpys_and_missing_where_nothing_was_seen():
    experiment = experiments.experiment(("s2", "s1_asc"), ("trees",))
    samples = experiments.without(experiments.random_samples(experiment), "s2", garbage=9.0, dates=1)
    model = types.SimpleNamespace(experiment=experiment)
    tile, patch = (np.asarray(BandStatistics(per)(model, samples))[..., 0, :] for per in ("tile", "patch"))
    assert (tile.shape, patch.shape) == ((3, 1, 1, 2 * (3 * 3 + 2 * 2)), (3, 2, 2, 26))
    s2 = np.asarray(samples.pixels["s2"])
    expected = np.stack([s2.mean((3, 4)), s2.std((3, 4))], axis=-1)
    expected[:, 1] = np.nan
    np.testing.assert_allclose(tile[:, 0, 0, :18], expected.reshape(3, 18), rtol=1e-5, atol=1e-6)
    corner = s2[:, :, :, 2:, :2]  # that of the second row and first column
    expected = np.stack([corner.mean((3, 4)), corner.std((3, 4))], axis=-1)
    expected[:, 1] = np.nan
    np.testing.assert_allclose(patch[:, 1, 0, :18], expected.reshape(3, 18), rtol=1e-5, atol=1e-6)


def test_what_is_missing_is_as_the_mean_of_what_is_learnt_from():
    class Gaps(MadeUp):
        def vectors(self, *arguments, **others):
            found = super().vectors(*arguments, **others)
            found.vectors[::2, 0] = np.nan
            return found

    evaluation = Evaluation(Plan(("knn",)), Gaps("", ("it",), 1, 0, None, CLASSIF), candidate(CLASSIF))
    whole = embedded(CLASSIF, "train", 0.1).vectors
    train, _, test = evaluation._samples(
        "it", lambda split: evaluation._reading.vectors(candidate(CLASSIF), split, Pooling())
    )
    usual = whole[1::2, 0].mean()
    np.testing.assert_allclose(train.vectors[::2, 0], usual, rtol=1e-5)
    np.testing.assert_allclose(test.vectors[::2, 0], usual, rtol=1e-5)

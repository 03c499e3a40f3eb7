import dataclasses
import warnings
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from mmae_jax import metrics, spec
from mmae_jax.tasks import TASKS
from mmae_jax.tasks import accumulator as accumulation

METRICS = {kind: TASKS[kind].metrics for kind in ("multilabel", "classif", "segment")}


@pytest.fixture
def golden(golden_dir) -> dict[str, np.ndarray]:
    with np.load(golden_dir / "metrics_schedule.npz") as arrays:
        return dict(arrays)


def target(kind: str, num_classes: int = 4) -> spec.Target:
    return spec.Target(kind=kind, classes=tuple(f"class {index}" for index in range(num_classes)), field="labels")


def random_batch(kind: str, samples: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    shape = {"multilabel": (samples,), "classif": (samples,), "segment": (samples, 6, 5)}[kind]
    logits = generator.normal(size=(*shape, 4)).astype(np.float32)
    if kind == "multilabel":
        return logits, generator.integers(0, 2, (samples, 4), dtype=np.int32)
    return logits, generator.integers(0, 4, shape, dtype=np.int32)


def score(kind: str, logits: np.ndarray, targets: np.ndarray, batch_size: int | None = None) -> metrics.Scores:
    """Scores in batches of equal size, the last one padded with rubbish of weight 0."""
    size = batch_size or len(logits)
    padding = -len(logits) % size
    weight = np.pad(np.ones(len(logits), np.float32), (0, padding))
    pad = [(0, padding)]
    logits = np.pad(logits, pad + [(0, 0)] * (logits.ndim - 1), constant_values=9)
    targets = np.pad(targets, pad + [(0, 0)] * (targets.ndim - 1), constant_values=1)
    accumulator = accumulation.Accumulator(target(kind, logits.shape[-1]))
    for start in range(0, len(logits), size):
        batch = slice(start, start + size)
        accumulator.update(summarise(target(kind, logits.shape[-1]), logits[batch], targets[batch], weight[batch]))
    return accumulator.result()


summarise = jax.jit(accumulation.summarise, static_argnums=0)


def assert_same(scores: metrics.Scores, expected: metrics.Scores) -> None:
    jax.tree.map(np.testing.assert_array_equal, dataclasses.asdict(scores), dataclasses.asdict(expected))


@pytest.mark.parametrize("batch_size", [200, 64, 7])
def test_multilabel_equals_golden(golden, batch_size):
    scores = score("multilabel", golden["multilabel/logits"], golden["multilabel/targets"], batch_size)
    assert tuple(scores.overall) == METRICS["multilabel"]
    for name, value in scores.overall.items():
        np.testing.assert_allclose(value, golden[f"multilabel/{name}"], rtol=1e-6)


@pytest.mark.parametrize("batch_size", [500, 64, 7])
def test_segment_equals_golden(golden, batch_size):
    logits, targets = golden["segment/logits"], golden["segment/targets"]
    scores = score("segment", logits[:, None, None], targets[:, None, None], batch_size)
    assert tuple(scores.overall) == METRICS["segment"]
    np.testing.assert_array_equal(scores.confusion, golden["segment/confusion_matrix"])
    for name, value in scores.overall.items():
        np.testing.assert_allclose(value, golden[f"segment/{name}"], rtol=1e-6)


def test_classif_scores_are_those_of_segment_without_iou(golden):
    scores = score("classif", golden["segment/logits"], golden["segment/targets"])
    assert tuple(scores.overall) == METRICS["classif"]
    np.testing.assert_allclose(scores.overall["average_f1"], golden["segment/average_f1"], rtol=1e-6)


def test_confusion_matrix_rows_are_true_and_columns_predicted():
    logits = jax.nn.one_hot(jnp.asarray([2, 2, 0, 1]), 3)
    counted = jnp.asarray([True, True, True, False])
    confusion = jax.jit(metrics.confusion_matrix, static_argnums=3)(logits, jnp.asarray([0, 0, 0, 1]), counted, 3)
    assert confusion.dtype == jnp.int32
    np.testing.assert_array_equal(confusion, [[1, 0, 2], [0, 0, 0], [0, 0, 0]])


@pytest.mark.parametrize("kind", METRICS)
def test_batches_and_padding_do_not_change_scores(kind):
    logits, targets = random_batch(kind, samples=20)
    assert_same(score(kind, logits, targets, batch_size=7), score(kind, logits, targets))


@pytest.mark.parametrize("kind", METRICS)
def test_hosts_merge(kind):
    logits, targets = random_batch(kind, samples=20)
    hosts = [accumulation.Accumulator(target(kind)) for _ in range(2)]
    for host, rows in zip(hosts, (slice(0, 12), slice(12, 20)), strict=True):
        host.update(summarise(target(kind), logits[rows], targets[rows], np.ones(len(logits[rows]))))
    hosts[0].update(hosts[1].summary())
    assert_same(hosts[0].result(), score(kind, logits, targets))


@pytest.mark.parametrize("kind", ["classif", "segment"])
def test_sums_keep_no_batch(kind):
    summary = {"confusion": np.ones((4, 4), np.int32)}
    batch = weakref.ref(summary["confusion"])
    accumulator = accumulation.Accumulator(target(kind))
    for _ in range(3):
        accumulator.update(summary)
    del summary
    assert batch() is None
    np.testing.assert_array_equal(accumulator.summary()["confusion"], np.full((4, 4), 3))


@pytest.mark.parametrize("kind", ["classif", "segment"])
def test_missing_values_count_nowhere(kind):
    logits, targets = random_batch(kind, samples=8)
    targets[2:] = -1
    assert_same(score(kind, logits, targets), score(kind, logits[:2], targets[:2]))


def test_multilabel_sample_with_a_missing_class_counts_nowhere():
    logits, targets = random_batch("multilabel", samples=20)
    targets[[3, 11], [0, 2]] = -1
    rows = np.delete(np.arange(20), [3, 11])
    assert_same(score("multilabel", logits, targets), score("multilabel", logits[rows], targets[rows]))


@pytest.mark.parametrize("kind", METRICS)
def test_nothing_counted_gives_nan_quietly(kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = accumulation.Accumulator(target(kind)).result()
    assert tuple(scores.overall) == METRICS[kind]
    assert np.isnan(list(scores.overall.values())).all()
    assert all(np.isnan(values).all() for values in scores.per_class.values())
    assert not scores.support.any()
    assert not scores.confusion.any()


def test_class_without_positives_is_left_out_of_multilabel_averages():
    logits, targets = random_batch("multilabel", samples=20)
    logits[:, 3], targets[:, 3] = -1, 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = score("multilabel", logits, targets)
    without = score("multilabel", logits[:, :3], targets[:, :3])
    assert np.isnan(scores.per_class["f1"][3])
    assert np.isnan(scores.per_class["ap"][3])
    assert scores.overall == pytest.approx(without.overall)


def test_class_without_positives_but_predicted_has_f1_zero():
    logits, targets = random_batch("multilabel", samples=20)
    logits[:, 3], targets[:, 3] = 1, 0
    scores = score("multilabel", logits, targets)
    assert scores.per_class["f1"][3] == 0
    assert scores.overall["average_f1"] == pytest.approx(scores.per_class["f1"].mean())


def test_class_absent_from_targets_is_left_out_of_segment_averages():
    scores = metrics.scores_from_confusion(np.asarray([[3, 1, 1], [0, 4, 0], [0, 0, 0]]), METRICS["segment"])
    assert np.isnan(scores.per_class["iou"][2])
    assert scores.overall["average_iou"] == pytest.approx((3 / 5 + 4 / 5) / 2)
    assert scores.overall["overall_accuracy"] == pytest.approx(7 / 9)
    np.testing.assert_array_equal(scores.support, [5, 4, 0])


@pytest.mark.parametrize("kind", METRICS)
def test_perfect_predictions_score_one(kind):
    _, targets = random_batch(kind, samples=20)
    logits = 2 * targets - 1 if kind == "multilabel" else 9 * np.eye(4)[targets]
    scores = score(kind, logits.astype(np.float32), targets)
    assert scores.overall == pytest.approx(dict.fromkeys(METRICS[kind], 1.0))


@pytest.mark.parametrize("kind", METRICS)
def test_order_of_classes_does_not_matter(kind):
    logits, targets = random_batch(kind, samples=20)
    order = np.asarray([2, 0, 3, 1])
    permuted = targets[:, order] if kind == "multilabel" else np.argsort(order)[targets]
    scores, other = score(kind, logits, targets), score(kind, logits[..., order], permuted)
    assert other.overall == pytest.approx(scores.overall)
    np.testing.assert_array_equal(other.support, scores.support[order])
    for name, values in scores.per_class.items():
        np.testing.assert_allclose(other.per_class[name], values[order])


def test_sums_exceed_int32():
    accumulator = accumulation.Accumulator(target("segment", 2))
    for _ in range(3):
        accumulator.update({"confusion": np.full((2, 2), 2**31 - 1, np.int32)})
    assert accumulator.result().support.sum() == 12 * (2**31 - 1)


@pytest.mark.parametrize("kind", METRICS)
def test_summary_of_a_batch_spread_over_devices(kind):
    logits, targets = random_batch(kind, samples=16)
    weight = np.ones(16, np.float32)
    spread = NamedSharding(jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,)), PartitionSpec("data"))
    whole = accumulation.Accumulator(target(kind))
    whole.update(summarise(target(kind), *jax.device_put((logits, targets, weight), spread)))
    assert_same(whole.result(), score(kind, logits, targets))


def test_low_precision_logits_score_alike():
    logits, targets = random_batch("multilabel", samples=20)
    rounded = jnp.asarray(logits, jnp.bfloat16)
    assert_same(score("multilabel", rounded, targets), score("multilabel", rounded.astype(np.float32), targets))

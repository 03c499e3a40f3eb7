"""The streams: functions of (seed, step), whatever the hosts, workers and restarts; evaluation sees all once."""

import collections
import dataclasses
import functools
import itertools
import multiprocessing

import jax
import numpy as np
import pytest

from mmae_jax.data import pipeline, shards
from mmae_jax.data.abstract import abstract_batch
from mmae_jax.data.records import DataError
from tests.data import example_dataset as example

TILES = 7
SAMPLES = TILES * 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    records = [example.record(seed) for seed in range(TILES)]
    records[1]["s1"]["pixels"][:, 0, 3, 3] = np.nan
    records[2]["s1"]["pixels"][1] = np.nan
    records[3]["s2"]["pixels"][4:] = 0  # nodata
    records[4] = example.record(4, num_s2=0)
    records[5] = example.record(5, num_s2=2, num_s1=1)
    splits = {"train": [records[:3], records[3:5]], "val": [records[5:]]}
    return example.write(tmp_path_factory.mktemp("batches") / "shards", splits)


@pytest.fixture(scope="module")
def opened(folder):
    return shards.open_shards(example.experiment(folder))


def take(batches, number):
    with batches:
        return list(itertools.islice(batches, number))


def training(opened, number, experiment=None, **options):
    return take(pipeline.train_batches(experiment or opened.experiment, "pretrain", opened, **options), number)


def evaluation(opened, batch_size, experiment=None, **options):
    batches = pipeline.eval_batches(experiment or opened.experiment, batch_size, ("train", "val"), opened, **options)
    with batches:
        return list(batches)


def shares(batch_size, num_hosts):
    """Rows of each host."""
    rows = batch_size // num_hosts
    return [(range(host * rows, (host + 1) * rows),) for host in range(num_hosts)]


def assert_equal(found, expected):
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def stack(batches):
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *batches)


def crops_seen(batch):
    """One value for every sample: what `cover` shows, whatever its orientation."""
    return [tuple(sorted(cover.ravel().tolist())) for cover in batch["targets"]["cover"]]


def test_batches_look_as_announced(opened):
    for batch in (training(opened, 1)[0], evaluation(opened, 4)[0]):
        expected = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), abstract_batch(opened.experiment, 4))
        assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), batch) == expected


def test_no_nan_and_no_nodata_marked_valid_ever_leaves(opened):
    for batch in [*training(opened, 30), *evaluation(opened, 5)]:
        assert np.isfinite(batch["inputs"]["s1"]).all()
        assert (batch["inputs"]["s2"] > 0).all(axis=2)[batch["valid"]["s2"]].all()


def test_a_restart_continues_with_the_same_batches(opened):
    whole = training(opened, 12)
    for start in (1, 7, 11):
        for found, expected in zip(training(opened, 12 - start, start_step=start), whole[start:], strict=True):
            assert_equal(found, expected)


@pytest.mark.parametrize("num_hosts", [2, 4])
def test_hosts_share_the_same_global_batches(opened, num_hosts):
    whole = training(opened, 5, start_step=3)
    hosts = [training(opened, 5, start_step=3, rows=rows) for rows in shares(4, num_hosts)]
    for expected, *parts in zip(whole, *hosts, strict=True):
        assert_equal(stack(parts), expected)


@pytest.mark.parametrize("rows", [(range(1, 3),), (range(1), range(2, 4)), (range(3, 4), range(1))])
def test_a_host_reads_any_rows_of_the_global_batches(opened, rows):
    chosen = [row for part in rows for row in part]
    for read in (functools.partial(training, opened, 5, start_step=3), functools.partial(evaluation, opened, 4)):
        for found, expected in zip(read(rows=rows), read(), strict=True):
            assert_equal(found, jax.tree.map(lambda leaf: leaf[chosen], expected))


def test_batch_size_does_not_change_the_stream(opened):
    pretrain = dataclasses.replace(opened.experiment.pretrain, batch_size=6)
    other = dataclasses.replace(opened.experiment, pretrain=pretrain)
    assert_equal(stack(training(opened, 2, other)), stack(training(opened, 3)))


def test_worker_processes_give_the_same_batches_and_end(opened):
    data = dataclasses.replace(opened.experiment.data, workers=2)
    with_workers = dataclasses.replace(opened.experiment, data=data)
    for found, expected in zip(training(opened, 5, with_workers), training(opened, 5), strict=True):
        assert_equal(found, expected)
        assert type(found["inputs"]["s1"]) is np.ndarray
    for found, expected in zip(evaluation(opened, 8, with_workers), evaluation(opened, 8), strict=True):
        assert_equal(found, expected)
    assert multiprocessing.active_children() == []


def test_each_epoch_is_another_permutation_of_the_tiles(opened):
    stream = stack(training(opened, 3 * SAMPLES // 4))
    epochs = stream["dates"]["aerial"][:, 0, 1].reshape(3, SAMPLES)  # the day tells the tile
    for epoch in epochs:
        assert collections.Counter(epoch.tolist()) == dict.fromkeys(range(1, TILES + 1), 4)
    assert len({tuple(epoch) for epoch in epochs.tolist()}) == 3


def test_with_fewer_labels_the_same_tiles_come_more_often(opened):
    def tiles_seen(phase, fraction):
        settings = dataclasses.replace(opened.experiment.phase(phase), train_splits=("train", "val"))
        settings = dataclasses.replace(settings, label_fraction=fraction)
        experiment = dataclasses.replace(opened.experiment, **{phase: settings})
        stream = stack(take(pipeline.train_batches(experiment, phase, opened), SAMPLES // 4))
        return collections.Counter(stream["dates"]["aerial"][:, 0, 1].tolist())  # the day tells the tile

    few, more = tiles_seen("finetune", 0.4), tiles_seen("finetune", 0.7)
    assert len(few) == 3
    assert len(more) == 5
    assert few.keys() < more.keys()
    assert sum(few.values()) == SAMPLES
    assert tiles_seen("probe", 0.4).keys() == few.keys()
    assert tiles_seen("finetune", 1e-6).most_common() == [(next(iter(tiles_seen("probe", 1e-6))), SAMPLES)]


def test_seed_and_phase_change_the_samples(opened):
    reseeded = dataclasses.replace(opened.experiment, seed=8)
    first = training(opened, 1)[0]
    assert crops_seen(training(opened, 1, reseeded)[0]) != crops_seen(first)
    finetune = take(pipeline.train_batches(opened.experiment, "finetune", opened), 1)[0]
    assert crops_seen(finetune) != crops_seen(first)


@pytest.mark.parametrize(("batch_size", "num_hosts"), [(1, 1), (4, 1), (5, 1), (28, 2), (12, 3), (64, 4)])
def test_evaluation_sees_every_sample_once(opened, batch_size, num_hosts):
    hosts = [evaluation(opened, batch_size, rows=rows) for rows in shares(batch_size, num_hosts)]
    assert len({len(batches) for batches in hosts}) == 1
    batches = [stack(parts) for parts in zip(*hosts, strict=True)]
    assert {len(batch["weight"]) for batch in batches} == {batch_size}
    whole = stack(batches)
    assert whole["weight"].tolist() == [1.0] * SAMPLES + [0.0] * (len(whole["weight"]) - SAMPLES)
    seen = [crop for crop, weight in zip(crops_seen(whole), whole["weight"], strict=True) if weight]
    expected = collections.Counter()
    for seed in range(TILES):
        cover = example.record(seed)["cover"]
        for row, column in itertools.product((0, 8), repeat=2):
            expected[tuple(sorted(cover[row : row + 8, column : column + 8].ravel().tolist()))] += 1
    assert collections.Counter(seen) == expected


def test_evaluation_does_not_depend_on_seed_or_augmentation(opened):
    reseeded = dataclasses.replace(opened.experiment, seed=99)
    for found, expected in zip(evaluation(opened, 8, reseeded), evaluation(opened, 8), strict=True):
        assert_equal(found, expected)


@pytest.mark.parametrize("workers", [0, 1])
def test_errors_of_readers_arrive_with_their_message(tmp_path, workers):
    directory = example.write(tmp_path / "shards", {"train": [[example.record(0)]], "val": [[example.record(1)]]})
    experiment = example.experiment(directory, workers=workers)
    opened = shards.open_shards(experiment)
    path = next(directory.glob("*train*"))
    path.write_bytes(path.read_bytes()[:70000])
    with (
        pipeline.train_batches(experiment, "pretrain", opened) as batches,
        pytest.raises(DataError, match=r"train.array_record-00000-of-00001: record 0: cannot be read"),
    ):
        next(batches)


def test_steps_per_epoch_are_whole_batches_and_at_least_one():
    assert [pipeline.steps_per_epoch(samples, 8) for samples in (1, 8, 15, 16, 100)] == [1, 1, 1, 2, 12]

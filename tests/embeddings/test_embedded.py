"""Vectors with targets for what is done with them, computed once."""

import dataclasses

import numpy as np
import pytest

from mmae_jax.data.pipeline import eval_batches
from mmae_jax.data.shards import open_shards
from mmae_jax.embeddings import write
from mmae_jax.embeddings.embedded import embedded
from mmae_jax.embeddings.pooling import Pooling
from mmae_jax.pretrained import Pretrained
from tests import runs


@pytest.fixture
def computed(monkeypatch) -> list[int]:
    """Numbers of the samples of each computation."""
    numbers, embed = [], write.embed

    def counted(model, source, pooling, ranges, *others):
        numbers.append(sum(map(len, ranges)))
        return embed(model, source, pooling, ranges, *others)

    monkeypatch.setattr(write, "embed", counted)
    return numbers


def test_vectors_come_with_targets_and_are_kept(random_model, tiny_experiment, synthetic_shards, tmp_path, computed):
    arguments = (random_model, synthetic_shards, ("test", "val"))
    found = embedded(*arguments, batch_size=3, cache=tmp_path / "cache")
    again = embedded(*arguments, batch_size=3, cache=tmp_path / "cache")
    assert computed == [6]
    assert found.splits.tolist() == ["test"] * 3 + ["val"] * 3
    assert found.vectors.shape == (6, 16)
    np.testing.assert_array_equal(found.vectors, again.vectors)
    with eval_batches(tiny_experiment, 6, ("test", "val"), open_shards(tiny_experiment)) as batches:
        labels = next(batches)["targets"]["treesat_mlc_thresh"]
    np.testing.assert_array_equal(found.targets["treesat_mlc_thresh"], labels)
    np.testing.assert_array_equal(again.targets["treesat_mlc_thresh"], labels)


@pytest.mark.parametrize("damage", [lambda data: data[:5000], lambda data: b"", lambda data: b"x" * len(data)])
def test_a_damaged_file_is_computed_anew(random_model, synthetic_shards, tmp_path, computed, damage):
    first = embedded(random_model, synthetic_shards, ("val",), cache=tmp_path)
    (kept,) = tmp_path.glob("*.npz")
    kept.write_bytes(damage(kept.read_bytes()))
    again = embedded(random_model, synthetic_shards, ("val",), cache=tmp_path)
    np.testing.assert_array_equal(again.vectors, first.vectors)
    assert len(computed) == 2


def test_other_weights_or_options_are_computed_anew(random_model, synthetic_shards, tmp_path, computed):
    mesh = runs.one_device()
    other = Pretrained(random_model.experiment, runs.random_params(random_model.experiment, mesh, seed=1), mesh)
    for arguments in (
        {},
        {"model": other},
        {"pooling": Pooling("patch")},
        {"targets": ()},
        {"splits": ("val",)},
    ):
        options = {"model": random_model, "shards": synthetic_shards, "splits": ("test",), "cache": tmp_path}
        found = embedded(**options | arguments, batch_size=3)
    assert computed == [3] * 5
    assert len(list(tmp_path.iterdir())) == 5
    assert found.vectors.ndim == 2


def test_nothing_stays_where_no_folder_is_named(random_model, synthetic_shards, computed):
    options = {"batch_size": 3, "targets": ()}
    found = [embedded(random_model, synthetic_shards, ("test",), **options) for _ in range(2)]
    assert computed == [3, 3]
    assert dataclasses.asdict(found[0])["targets"] == {}

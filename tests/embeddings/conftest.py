"""A model with random weights, and the tiles that it knows."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from mmae_jax import spec
from mmae_jax.embeddings import output
from mmae_jax.embeddings.tiles import ShardSamples, open_samples
from mmae_jax.pretrained import Pretrained
from tests import runs


@pytest.fixture(scope="session")
def random_model(tiny_experiment: spec.Experiment) -> Pretrained:
    mesh = runs.one_device()
    return Pretrained(tiny_experiment, runs.random_params(tiny_experiment, mesh), mesh)


@pytest.fixture(scope="session")
def tiles(tiny_experiment: spec.Experiment, synthetic_shards: Path) -> ShardSamples:
    return open_samples(dataclasses.replace(tiny_experiment, targets=()), synthetic_shards)


@pytest.fixture
def small_units(monkeypatch: pytest.MonkeyPatch) -> None:
    """18 tiles are five units."""
    monkeypatch.setattr(output, "LARGEST_UNIT", 4)

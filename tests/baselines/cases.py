"""Experiments with tiny foundation models, and tensors as their publishers would have them."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from immutabledict import immutabledict

from mmae_jax import spec
from mmae_jax.checks import check_experiment
from mmae_jax.models.model import Model
from mmae_jax.models.params import abstract_model, by_path, from_paths, init_params, merge
from mmae_jax.models.samples import Samples
from mmae_jax.weights.publishers import from_publisher
from mmae_jax.weights.publishers.table import NAMES
from tests import experiments

TINY = dataclasses.replace(experiments.TINY, embed_dim=32, dim_head=16)
COLOURS = ("R", "G", "B")


def experiment(
    encoder: str,
    inputs: Mapping[str, spec.Input],
    *,
    architecture: spec.Architecture = TINY,
    unit: str = "none",
    target: str = "trees",
    **model: Any,
) -> spec.Experiment:
    """Returns a checked experiment that probes and finetunes."""
    fusion = spec.FOUNDATION_MODELS[encoder].fusions[0]
    fields = {"encoder": encoder, "fusion": fusion, "inter_depth": 0, "architecture": architecture}
    found = experiments.experiment((), (target,), modalities=dict(inputs), **fields | model)
    modalities = {name: dataclasses.replace(one, unit=unit) for name, one in found.dataset.modalities.items()}
    dataset = dataclasses.replace(found.dataset, modalities=immutabledict(modalities))
    found = dataclasses.replace(found, dataset=dataset, phases=("probe", "finetune"))
    check_experiment(found)
    return found


def image(encoder: str, patches: int, bands: tuple[str, ...] = COLOURS, dates: int = 1) -> spec.Input:
    """Returns an input of `patches` per side."""
    patch = spec.FOUNDATION_MODELS[encoder].patch_size
    return spec.Input(bands=(bands,), image_size=patches * patch, patch_size=patch, num_dates=dates)


def numbers(name: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Returns float32 numbers that depend on name, shape and seed alone; scales are near 1."""
    drawn = np.random.RandomState([seed, zlib.crc32(name.encode())]).standard_normal(shape)
    near_one = ("norm" in name and name.endswith("weight")) or name.endswith("gamma")
    return (0.2 * drawn + near_one).astype(np.float32)


def tensors(of: spec.Experiment, seed: int = 0) -> dict[str, np.ndarray]:
    """Returns made-up tensors of an experiment's encoder by the publisher's names."""
    shapes = {weight.name: weight.shape for weight in NAMES[of.model.encoder].weights(of)}
    return {name: numbers(name, shape, seed) for name, shape in shapes.items()}


def model(of: spec.Experiment, published: Mapping[str, np.ndarray]) -> Model:
    """Returns the model whose encoder has a publisher's tensors; what is new is drawn."""
    graph, abstract = abstract_model(of)
    taken, _ = from_publisher(published, of, "file")
    drawn = by_path(init_params(of, jax.random.key(0)))
    return merge(graph, from_paths(drawn | {path: jnp.asarray(array) for path, array in taken.items()}, abstract))


def samples(of: spec.Experiment, pixels: Mapping[str, np.ndarray], dates: np.ndarray | None = None) -> Samples:
    """Returns samples of given pixels `[B, D, C, H, W]`, and dates `[B, D, 3]`."""
    found = experiments.random_samples(of, len(next(iter(pixels.values()))))
    arrays = {name: jnp.asarray(array) for name, array in pixels.items()}
    given = found.dates if dates is None else {name: jnp.asarray(dates) for name in found.dates}
    return dataclasses.replace(found, pixels=arrays, dates=given)


def assert_close(found: Any, expected: np.ndarray, relative: float = 1e-5) -> None:
    """Asserts that the largest difference is small beside the largest number."""
    assert found.shape == expected.shape
    assert np.abs(np.asarray(found) - expected).max() <= relative * np.abs(expected).max()

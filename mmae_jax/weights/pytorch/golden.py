"""Numbers by which an exported folder is checked: made-up raw samples, and what JAX makes of them."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from mmae_jax.data.batch import Batch
from mmae_jax.data.raw_samples import batch_of
from mmae_jax.models.encoder import Arrays
from mmae_jax.models.masking import sequence_masks
from mmae_jax.models.mmae import MMAE
from mmae_jax.models.params import Path, abstract_model, from_paths, merge
from mmae_jax.models.patches import from_patches
from mmae_jax.models.samples import Samples, samples_from_batch
from mmae_jax.spec import Experiment, Modality
from mmae_jax.weights.pytorch.config import DECODER, HEADS

BATCH = 2
"""Samples: the first lacks a date, and pixels where a sensor can lack some; the second lacks a sensor."""
FIRST_YEAR = 2019
"""Of the made-up dates."""
Raw = dict[str, dict[str, np.ndarray]]
"""`inputs`, `dates`, `valid`, `base` and `ref_date` → name → array, as `modeling_mmae.py` reads them."""


def golden_tensors(
    params: Mapping[Path, np.ndarray], experiment: Experiment, parts: tuple[str, ...]
) -> dict[str, np.ndarray]:
    """Returns raw samples, masks and outputs: part and name, with a slash between → array.

    Args:
      params: the parameters by path.
      experiment: what they belong to; the outputs are computed in float32.
      parts: which outputs: those of the decoder need `DECODER`, those of the heads `HEADS`.
    """
    raw = raw_samples(experiment)
    found = {part: dict(arrays) for part, arrays in raw.items()}
    found |= _outputs(params, experiment, parts, raw)
    return {f"{part}/{name}": array for part, arrays in found.items() for name, array in arrays.items()}


def raw_samples(experiment: Experiment) -> Raw:
    """Returns made-up samples in the data types of the contract, the same at each call."""
    raw: Raw = {part: {} for part in ("inputs", "dates", "valid", "base", "ref_date")}
    raw["ref_date"]["ref_date"] = np.tile(np.array([FIRST_YEAR, 182, 0], np.int16), (BATCH, 1))
    for position, (name, model_input) in enumerate(experiment.inputs.items()):
        rng, modality = np.random.default_rng(zlib.crc32(name.encode())), experiment.modality(name)
        side, num_dates = experiment.raw_side(name), model_input.num_dates
        pixels = _values(modality, (BATCH, num_dates, len(model_input.band_names), side, side), rng)
        valid = np.ones((BATCH, num_dates), bool)
        if num_dates > 1:
            valid[0, -1] = False
        valid[1] = position != 1
        if modality.pixels_can_be_missing:
            hole = np.nan if modality.nodata is None else modality.nodata
            pixels[~valid] = hole
            pixels[0, 0, 0, : side // 3] = hole
        days = np.sort(rng.integers(1, 366, (BATCH, num_dates)), axis=1)
        raw["inputs"][name], raw["valid"][name] = pixels, valid
        raw["dates"][name] = np.stack([np.full_like(days, FIRST_YEAR), days, days % 24], axis=-1).astype(np.int16)
        if modality.quantum is not None:
            raw["base"][name] = rng.uniform(0, 1000, BATCH).astype(np.float32)
    return raw


def _outputs(
    params: Mapping[Path, np.ndarray], experiment: Experiment, parts: tuple[str, ...], raw: Raw
) -> dict[str, dict[str, np.ndarray]]:
    model_fields = dataclasses.replace(experiment.model, dtype="float32", attention="xla", remat="none")
    experiment = dataclasses.replace(experiment, model=model_fields)
    graph, abstract = abstract_model(experiment)

    def run(params: nnx.State, batch: Batch, masks: Arrays) -> dict[str, Arrays]:
        model, samples = merge(graph, params), samples_from_batch(batch, experiment)
        assert isinstance(model.encoder, MMAE), "checked before: no other encoder has PyTorch names"
        found = {"tokens": _tokens(model.encoder, samples)}
        if DECODER in parts:
            found["reconstruction"] = _reconstruction(model.encoder, samples, masks, experiment)
        if HEADS in parts:
            found["logits"] = model.predict(samples, train_encoder=True)
        return found

    masks = _masks(experiment)
    batch = batch_of({**raw, "ref_date": raw["ref_date"]["ref_date"]}, experiment)
    with jax.default_matmul_precision("highest"):
        computed = jax.jit(run)(from_paths(params, abstract), batch, masks)
    found = {part: {name: np.asarray(array) for name, array in arrays.items()} for part, arrays in computed.items()}
    return ({"masks": masks} if DECODER in parts else {}) | found


def _masks(experiment: Experiment) -> dict[str, np.ndarray]:
    """Draws which tokens are hidden: input → bool `[B, T, L]`."""
    masks = {}
    for name, model_input in experiment.inputs.items():
        noise = np.random.default_rng(zlib.crc32(f"{name}/mask".encode())).random((BATCH, model_input.num_tokens))
        masks[name] = (noise < experiment.mask.ratio).reshape(BATCH, model_input.tokens_per_position, -1)
    return masks


def _tokens(encoder: MMAE, samples: Samples) -> Arrays:
    available = encoder.available(samples)
    return {name: jnp.where(available[name][..., None], x, 0) for name, x in encoder.features(samples).items()}


def _reconstruction(encoder: MMAE, samples: Samples, masks: Arrays, experiment: Experiment) -> Arrays:
    available = encoder.fusion.join(encoder.available(samples))
    lengths = {key: there.shape[1] for key, there in available.items()}
    patches = encoder.reconstruct(samples, sequence_masks(encoder.fusion.join(masks), available, lengths))
    there = samples.dates_valid
    return {
        name: jnp.where(there[name][:, :, None, None, None], from_patches(x, experiment.inputs[name].patch_size), 0)
        for name, x in patches.items()
    }


def _values(modality: Modality, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draws stored values in the data type and the range of a contract."""
    dtype = np.dtype(modality.dtype)
    if modality.value_range is not None and modality.quantum is None:
        low, high = modality.value_range
    elif np.issubdtype(dtype, np.floating):
        low, high = (-30.0, 5.0) if modality.decibel else (0.01, 1.0)
    else:
        low, high = 1, min(10_000, int(np.iinfo(dtype).max))
    return rng.uniform(low, high, shape).astype(dtype)

"""Tiny experiments, and random samples for them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from immutabledict import immutabledict

from mmae_jax import losses, spec
from mmae_jax.models.masking import SequenceMask, draw_masks
from mmae_jax.models.mmae import MMAE
from mmae_jax.models.model import Model
from mmae_jax.models.params import Path, abstract_model, by_path, from_paths, merge
from mmae_jax.models.samples import Samples
from mmae_jax.weights.torch_names import weights

TINY = spec.Architecture(
    embed_dim=16,
    depth=2,
    heads=2,
    dim_head=8,
    mlp_ratio=2,
    decoder_dim=24,
    decoder_depth=1,
    decoder_heads=2,
    decoder_dim_head=8,
    decoder_mlp_ratio=2,
)
PHASE = spec.Phase(epochs=1, batch_size=2, base_lr=1e-4)
# `s2` has two tokens per patch, `s1` is a group of two modalities.
INPUTS = immutabledict(
    aerial=spec.Input(bands=(("nir", "red"),), image_size=8, patch_size=4),
    s2=spec.Input(bands=(("b2", "b3"), ("b11",)), image_size=4, patch_size=2, num_dates=3, norm_bands=(1, 2)),
    s1_asc=spec.Input(bands=(("vv", "vh"),), image_size=4, patch_size=2, num_dates=2, name_group="s1"),
    s1_des=spec.Input(bands=(("vv", "vh"),), image_size=4, patch_size=2, num_dates=2, name_group="s1"),
)
TARGETS = immutabledict(
    trees=spec.Target("multilabel", ("oak", "beech", "pine"), "proportions"),
    cover=spec.Target("segment", ("water", "wood"), "cover", missing_value=9, size=8),
)
EACH_FUSION = (("shared", 0), ("monotemp", 0), ("mod", 1), ("group", 1))


def experiment(
    inputs: Iterable[str] = tuple(INPUTS),
    targets: Iterable[str] = tuple(TARGETS),
    *,
    loss: str = "l1_norm",
    mask: spec.Mask | None = None,
    modalities: dict[str, spec.Input] | None = None,
    **model: Any,
) -> spec.Experiment:
    """Returns a tiny experiment; `modalities` replaces or adds inputs, `model` sets fields of `spec.Model`."""
    chosen = immutabledict({name: INPUTS[name] for name in inputs} | (modalities or {}))
    stored = {
        name: spec.Modality(tuple(sorted(used.band_names)), "float32", "none", 1.0, 8) for name, used in chosen.items()
    }
    defaults = {
        "architecture": TINY,
        "inter_depth": 1 if model.get("fusion", "group") in ("mod", "group") else 0,
        "grid_pos_enc": 4,
        "ref_input": next(iter(chosen)),
        "dtype": "float32",
    }
    return spec.Experiment(
        seed=0,
        dataset=spec.Dataset("tiny", "1", 8.0, immutabledict(stored), TARGETS),
        data=spec.Data(dir=""),
        inputs=chosen,
        targets=tuple(targets),
        model=spec.Model(**defaults | model),
        mask=mask or spec.Mask(),
        loss=loss,
        phases=("pretrain", "probe", "finetune"),
        pretrain=PHASE,
        probe=PHASE,
        finetune=PHASE,
        ema=False,
        mesh=spec.Mesh(),
        logging=spec.Logging(),
    )


def random_samples(of: spec.Experiment, batch: int = 3, seed: int = 0) -> Samples:
    """Returns random samples in which nothing is missing; a modality's values depend on its name and the seed only."""
    pixels, valid, dates = {}, {}, {}
    for name, modality in of.inputs.items():
        rng = np.random.default_rng([seed, *name.encode()])
        shape = (batch, modality.num_dates, len(modality.band_names), modality.image_size, modality.image_size)
        pixels[name] = jnp.asarray(rng.normal(size=shape), jnp.float32)
        valid[name] = jnp.ones((*shape[:2], 1, 1), bool)
        day = np.sort(rng.integers(1, 366, shape[:2]), axis=1)
        dates[name] = jnp.asarray(np.stack([np.full_like(day, 2019), day, np.zeros_like(day)], -1), jnp.int16)
    return Samples(pixels, valid, dates, jnp.tile(jnp.asarray([[2018, 182, 0]], jnp.int16), (batch, 1)))


def without(samples: Samples, name: str, garbage: float = 0.0, dates: Any = slice(None)) -> Samples:
    """Returns the samples with a modality, or some `dates` of it, missing; the pixels there become `garbage`."""
    pixels = samples.pixels[name].at[:, dates].set(garbage)
    valid = samples.pixels_valid[name].at[:, dates].set(False)
    return dataclasses.replace(
        samples,
        pixels=samples.pixels | {name: pixels},
        pixels_valid=samples.pixels_valid | {name: valid},
    )


def only(samples: Samples, names: Iterable[str]) -> Samples:
    """Returns the samples with none but the modalities called `names`."""
    names = tuple(names)
    return Samples(
        *({name: field[name] for name in names} for field in (samples.pixels, samples.pixels_valid, samples.dates)),
        samples.ref_date,
    )


class Tiny:
    """A model of an experiment with random parameters, as plain functions of parameters and samples."""

    def __init__(self, of: spec.Experiment) -> None:
        self.experiment = of
        self.graph, abstract = abstract_model(of)
        self.params = from_paths(
            {path: _values(path, leaf.shape) for path, leaf in by_path(abstract).items()}, abstract
        )

    def model(self, params: nnx.State) -> Model:
        """Returns the module."""
        return merge(self.graph, params)

    def encoder(self, params: nnx.State) -> MMAE:
        """Returns the module of the encoder."""
        encoder = self.model(params).encoder
        assert isinstance(encoder, MMAE)
        return encoder

    def predict(self, params: nnx.State, samples: Samples) -> dict[str, jax.Array]:
        """Returns logits by target."""
        return self.model(params).predict(samples, train_encoder=True)

    def draw_masks(self, samples: Samples, key: int = 0) -> dict[str, SequenceMask]:
        """Draws the masks of the samples."""
        model = self.encoder(self.params)
        draw = jax.jit(lambda available: draw_masks(jax.random.key(key), model.fusion, self.experiment.mask, available))
        return draw(model.available(samples))

    def pretrain(
        self, params: nnx.State, samples: Samples, masks: dict[str, SequenceMask]
    ) -> tuple[jax.Array, tuple[dict[str, jax.Array], dict[str, losses.Total]]]:
        """Returns the reconstruction loss, the reconstructions and the errors by modality."""
        model = self.encoder(params)
        patches = model.reconstruct(samples, masks)
        masked = model.fusion.split({name: mask.masked for name, mask in masks.items()})
        weight = jnp.ones(samples.ref_date.shape[0])
        errors = losses.reconstruction_errors(patches, samples, masked, weight, self.experiment)
        return losses.reconstruction_loss(errors, self.experiment), (patches, errors)


def _values(path: Path, shape: tuple[int, ...]) -> jax.Array:
    """Returns values that depend on the path and the shape only: models with a parameter in common agree in it."""
    rng = np.random.default_rng([*".".join(map(str, path)).encode()])
    values = rng.normal(size=shape) / math.sqrt(shape[-2] if len(shape) > 1 else 4)
    return jnp.asarray(values + (path[-1] in ("scale", "norm_scale")), jnp.float32)


def tensors_of(experiment: spec.Experiment, seed: int = 0) -> dict[str, np.ndarray]:
    """Returns random weights by their PyTorch names."""
    rng = np.random.default_rng(seed)
    return {weight.name: rng.normal(size=weight.shape).astype(np.float32) for weight in weights(experiment)}

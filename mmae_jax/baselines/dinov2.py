"""DINOv2 (arXiv 2304.07193): ViT-B/14 of pictures, and ViT-L/16 of satellite images (arXiv 2304.07213)."""

from __future__ import annotations

from typing import ClassVar

import jax
import jax.numpy as jnp
from flax import nnx

from mmae_jax.baselines.bands import RGB, Channels, channels_of
from mmae_jax.baselines.base import Arrays, FoundationEncoder
from mmae_jax.baselines.pictures import Statistics, picture
from mmae_jax.baselines.vit import ViT
from mmae_jax.models.draws import normal_param
from mmae_jax.models.resize import resize
from mmae_jax.models.samples import Samples
from mmae_jax.models.transformer import Variant
from mmae_jax.spec import FOUNDATION_MODELS, Experiment

POSITION_DEVIATION = 0.02
BLOCKS = Variant(epsilon=1e-6, qkv_bias=True, layer_scale=1.0)


class Dinov2ViT(nnx.Module):
    """One ViT with learned positions `[grid² + 1, E]`, the first of them that of the class token."""

    def __init__(self, experiment: Experiment, *, rngs: nnx.Rngs) -> None:
        width, grid = experiment.model.architecture.embed_dim, FOUNDATION_MODELS[experiment.model.encoder].grid
        self.position = normal_param(rngs, (grid**2 + 1, width), POSITION_DEVIATION)
        self.vit = ViT(experiment, BLOCKS, rngs=rngs)

    def __call__(self, tokens: jax.Array) -> jax.Array:
        """Encodes images, `[B, L, E]`; positions are resized to their grid as transformers' Dinov2Model does."""
        position = self.position[...]
        of_patches = _resized(position[1:], round(tokens.shape[1] ** 0.5))
        positioned = tokens + of_patches[None].astype(tokens.dtype)
        return self.vit(positioned, jnp.ones(tokens.shape[:2], bool), position[0])


def _resized(position: jax.Array, grid: int) -> jax.Array:
    """Returns positions `[L, E]`, row by row, on another grid: bicubic, without antialiasing."""
    side = round(position.shape[0] ** 0.5)
    return resize(position.reshape(side, side, -1), grid, "bicubic", axes=(0, 1)).reshape(grid**2, -1)


class Dinov2(FoundationEncoder):
    """Every date of every input is an image of its own; dates are encoded behind it."""

    statistics: ClassVar[Statistics] = Statistics((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

    def __init__(self, experiment: Experiment, *, rngs: nnx.Rngs) -> None:
        super().__init__(experiment, rngs=rngs)
        self.encoder = nnx.Dict({name: Dinov2ViT(experiment, rngs=rngs) for name in self.fusion.weight_names})

    @classmethod
    def channels(cls, experiment: Experiment, name: str) -> Channels:
        """Returns red, green or blue for each band of an input."""
        return channels_of(experiment, name, RGB)

    def features(self, samples: Samples) -> Arrays:
        """Returns the encoded tokens: input → `[B, D, L, E]`."""
        experiment, tokens = self.experiment, {}
        for name in experiment.inputs:
            with jax.named_scope("embed"):
                channels = self.channels(experiment, name)
                pixels = picture(samples, name, experiment, channels, self.statistics)
                tokens[name] = self.patch_embed[name](pixels)
        encoded = {}
        for name, images in self.fusion.join(tokens).items():
            with jax.named_scope(f"encoder_{name}"):
                encoded[name] = self.encoder[self.fusion.weights[name]](images)
        return {name: self.with_dates(array, name, samples) for name, array in self.fusion.split(encoded).items()}


class Dinov2Sat(Dinov2):
    """DINOv2 of satellite images; another size, other statistics."""

    statistics: ClassVar[Statistics] = Statistics((0.430, 0.411, 0.296), (0.213, 0.156, 0.143))

"""The vision transformer that DINOv2, DOFA, Prithvi and SatMAE are made of: a class token and pre-norm blocks."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from flax import nnx

from mmae_jax.models.draws import normal_param
from mmae_jax.models.transformer import Transformer, Variant
from mmae_jax.parallel import Path
from mmae_jax.spec import Experiment

CLASS_TOKEN_DEVIATION = 0.02
NEVER_TRAINED = 10_000
"""Layers to the heads of a parameter that the reference's layer decay forgets: no update is left of so many."""
VIT = Variant(epsilon=1e-6, qkv_bias=True)
"""Blocks as timm has them."""


def transformer(experiment: Experiment, variant: Variant, *, rngs: nnx.Rngs, depth: int | None = None) -> Transformer:
    """Returns blocks of the widths of `model.architecture`.

    Args:
      experiment: gives widths, computation and whether the last norm is kept (`model.foundation.keep_norm`).
      variant: what else blocks are.
      rngs: draws parameters.
      depth: blocks; those of the architecture if None.
    """
    model, sizes = experiment.model, experiment.model.architecture
    return Transformer(
        sizes.embed_dim,
        sizes.depth if depth is None else depth,
        sizes.heads,
        sizes.dim_head,
        round(sizes.embed_dim * sizes.mlp_ratio),
        dtype=jnp.dtype(model.dtype),
        remat=model.remat,
        attention=model.attention,
        variant=dataclasses.replace(variant, final_norm=model.foundation.keep_norm),
        rngs=rngs,
    )


class ViT(nnx.Module):
    """A class token in front of the tokens, blocks, and a LayerNorm where `model.foundation.keep_norm` is set."""

    def __init__(self, experiment: Experiment, variant: Variant = VIT, *, rngs: nnx.Rngs) -> None:
        width = experiment.model.architecture.embed_dim
        self.cls_token = normal_param(rngs, (width,), CLASS_TOKEN_DEVIATION)
        self.transformer = transformer(experiment, variant, rngs=rngs)

    def __call__(self, tokens: jax.Array, valid: jax.Array, class_position: jax.Array | None = None) -> jax.Array:
        """Encodes sequences.

        Args:
          tokens: embedded patches with their positions, `[B, N, E]`.
          valid: bool `[B, N]`; False tokens are attended to by none.
          class_position: `[E]`, added to the class token.

        Returns:
          The encoded patches `[B, N, E]`, in the compute dtype.
        """
        token = self.cls_token[...] if class_position is None else self.cls_token[...] + class_position
        first = jnp.broadcast_to(token.astype(tokens.dtype), (tokens.shape[0], 1, tokens.shape[2]))
        there = jnp.ones_like(valid[:, :1])
        encoded = self.transformer(jnp.concatenate([first, tokens], axis=1), jnp.concatenate([there, valid], axis=1))
        return encoded[:, 1:]


def layers_to_heads(path: Path, depth: int) -> int | tuple[int, ...]:
    """Returns how many blocks are above a parameter, its own among them: `depth + 1` for what is below all blocks."""
    if "blocks" in path:
        return tuple(range(depth, 0, -1))
    return 0 if "norm" in path else depth + 1

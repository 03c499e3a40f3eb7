"""Names of DINOv2: facebook's and timm's, those of transformers before and from version 5, and of the canopy model."""

from __future__ import annotations

import re

import numpy as np

from mmae_jax.baselines.dinov2 import Dinov2
from mmae_jax.models.fusion import Fusion
from mmae_jax.spec import FOUNDATION_MODELS, Experiment
from mmae_jax.weights.publishers.names import Names, Tensors, without_prefix
from mmae_jax.weights.publishers.timm import block_weights, embedding_weights
from mmae_jax.weights.torch_names import Weight

OF_TRANSFORMERS = (
    (r"embeddings\.position_embeddings", "pos_embed"),
    (r"embeddings\.(cls|mask)_token", r"\1_token"),
    (r"embeddings\.patch_embeddings\.projection", "patch_embed.proj"),
    (r"encoder\.layer\.", "blocks."),
    (r"\.attention\.(?:attention\.)?(query|key|value)\.", r".attn.\1."),
    (r"\.attention\.(q|k|v)_proj\.", r".attn.\1."),
    (r"\.attention\.(?:output\.dense|o_proj)\.", ".attn.proj."),
    (r"\.layer_scale(\d)\.lambda1", r".ls\1.gamma"),
    (r"^layernorm\.", "norm."),
)
"""Pattern in a name of transformers → what facebook has."""
FIRST = re.compile(r"(.*\.attn)\.(?:q|query)\.(weight|bias)")
PARTS = (("q", "k", "v"), ("query", "key", "value"))


def weights(experiment: Experiment) -> list[Weight]:
    """Returns every tensor, and where it goes."""
    width, grid = experiment.model.architecture.embed_dim, FOUNDATION_MODELS[experiment.model.encoder].grid
    table: list[Weight] = []
    for name in experiment.inputs:
        table += embedding_weights(experiment, name, Dinov2.channels(experiment, name), 3)
    for name in Fusion.of(experiment).weight_names:
        path = ("encoder", name)
        table.append(Weight("cls_token", (1, 1, width), (*path, "vit", "cls_token")))
        table.append(Weight("pos_embed", (1, grid**2 + 1, width), (*path, "position")))
        table += block_weights(experiment, (*path, "vit", "transformer"), layer_scale=True)
    return table


def renamed(tensors: Tensors) -> dict[str, np.ndarray]:
    """Returns tensors by the names of facebook and timm."""
    found: dict[str, np.ndarray] = {}
    for name, tensor in without_prefix(without_prefix(tensors, "backbone."), "dinov2.").items():
        for pattern, replacement in OF_TRANSFORMERS:
            name = re.sub(pattern, replacement, name)
        found[name] = tensor
    for name in list(found):
        if match := FIRST.fullmatch(name):
            _join(found, *match.groups())
    return found


def _join(tensors: dict[str, np.ndarray], attention: str, kind: str) -> None:
    """Puts queries, keys and values of one layer together, where all are there."""
    for parts in PARTS:
        names = [f"{attention}.{part}.{kind}" for part in parts]
        if all(name in tensors for name in names):
            tensors[f"{attention}.qkv.{kind}"] = np.concatenate([tensors.pop(name) for name in names])


NAMES = Names(weights, renamed, dropped=("mask_token", "head.", "decode_head.", "norm."))

"""Names of DOFA: the authors' file, and torchgeo's."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from mmae_jax.baselines.sincos import sincos_square
from mmae_jax.baselines.wavelengths import HIDDEN, WIDTH
from mmae_jax.models.fusion import Fusion
from mmae_jax.parallel import Path
from mmae_jax.spec import FOUNDATION_MODELS, Experiment
from mmae_jax.weights.publishers.names import Names, Tensors
from mmae_jax.weights.publishers.positions import POSITIONS, check_positions
from mmae_jax.weights.publishers.timm import block_weights
from mmae_jax.weights.torch_names import Weight

GENERATOR = "patch_embed.weight_generator"
LAYER = f"{GENERATOR}.transformer_encoder.layers.0"


def weights(experiment: Experiment) -> list[Weight]:
    """Returns every tensor, and where it goes."""
    width = experiment.model.architecture.embed_dim
    table: list[Weight] = []
    for name, model_input in experiment.inputs.items():
        table += _embedding(("patch_embed", name), model_input.patch_size, width)
    for name in Fusion.of(experiment).weight_names:
        table.append(Weight("cls_token", (1, 1, width), ("encoder", name, "cls_token")))
        table += block_weights(experiment, ("encoder", name, "transformer"))
    return table


def _embedding(path: Path, patch: int, width: int) -> Iterator[Weight]:
    generator = (*path, "generator")
    yield Weight(f"{GENERATOR}.weight_tokens", (WIDTH, WIDTH), (*generator, "tokens"))
    yield Weight(f"{GENERATOR}.bias_token", (1, WIDTH), (*generator, "bias_token"))
    yield from _linear("patch_embed.fclayer.w1", (*path, "first"), WIDTH, WIDTH)
    yield from _linear("patch_embed.fclayer.w2", (*path, "second"), WIDTH, WIDTH)
    yield Weight(f"{LAYER}.self_attn.in_proj_weight", (3 * WIDTH, WIDTH), (*generator, "qkv", "kernel"), kind="matrix")
    yield Weight(f"{LAYER}.self_attn.in_proj_bias", (3 * WIDTH,), (*generator, "qkv", "bias"))
    yield from _linear(f"{LAYER}.self_attn.out_proj", (*generator, "out"), WIDTH, WIDTH)
    yield from _linear(f"{LAYER}.linear1", (*generator, "up"), WIDTH, HIDDEN)
    yield from _linear(f"{LAYER}.linear2", (*generator, "down"), HIDDEN, WIDTH)
    for torch, ours in (("norm1", "attention_norm"), ("norm2", "mlp_norm")):
        yield Weight(f"{LAYER}.{torch}.weight", (WIDTH,), (*generator, ours, "scale"))
        yield Weight(f"{LAYER}.{torch}.bias", (WIDTH,), (*generator, ours, "bias"))
    yield from _linear(f"{GENERATOR}.fc_weight", (*generator, "to_kernel"), WIDTH, patch**2 * width)
    yield from _linear(f"{GENERATOR}.fc_bias", (*generator, "to_bias"), WIDTH, width)


def _linear(torch: str, path: Path, width_in: int, width_out: int) -> Iterator[Weight]:
    yield Weight(f"{torch}.weight", (width_out, width_in), (*path, "kernel"), kind="matrix")
    yield Weight(f"{torch}.bias", (width_out,), (*path, "bias"))


def _renamed(tensors: Tensors) -> dict[str, np.ndarray]:
    """Returns tensors by the authors' names: torchgeo's last norm has another one where classes are predicted."""
    return {re.sub(r"^fc_norm\.", "norm.", name): tensor for name, tensor in tensors.items()}


def _check(tensors: Tensors, experiment: Experiment) -> None:
    width = experiment.model.architecture.embed_dim
    check_positions(tensors, sincos_square(FOUNDATION_MODELS["dofa"].grid, width).reshape(-1, width))


NAMES = Names(
    weights,
    _renamed,
    dropped=(POSITIONS, "mask_token", "decoder", "projector.", "norm.", "head."),
    check=_check,
)

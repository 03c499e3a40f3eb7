"""Names of SatMAE for image series, whose decoder is dropped."""

from __future__ import annotations

from mmae_jax.baselines.satmae import DATE_SHARE, SatMAE
from mmae_jax.baselines.sincos import sincos_square
from mmae_jax.spec import FOUNDATION_MODELS, Experiment
from mmae_jax.weights.publishers.names import Names, Tensors
from mmae_jax.weights.publishers.positions import POSITIONS, check_positions
from mmae_jax.weights.publishers.timm import block_weights, embedding_weights
from mmae_jax.weights.torch_names import Weight


def weights(experiment: Experiment) -> list[Weight]:
    """Returns every tensor, and where it goes."""
    (name,) = experiment.inputs
    width = experiment.model.architecture.embed_dim
    table = [*embedding_weights(experiment, name, SatMAE.channels(experiment, name), 3)]
    table.append(Weight("cls_token", (1, 1, width), ("vit", "cls_token")))
    return [*table, *block_weights(experiment, ("vit", "transformer"))]


def _check(tensors: Tensors, experiment: Experiment) -> None:
    width = experiment.model.architecture.embed_dim
    width -= 3 * (width // DATE_SHARE)
    check_positions(tensors, sincos_square(FOUNDATION_MODELS["satmae"].grid, width).reshape(-1, width))


NAMES = Names(weights, dropped=(POSITIONS, "mask_token", "decoder", "norm.", "head."), check=_check)

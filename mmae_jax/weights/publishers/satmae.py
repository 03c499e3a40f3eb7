"""Names of SatMAE for image series, whose decoder is dropped."""

from __future__ import annotations

import numpy as np

from mmae_jax.baselines.satmae import DATE_SHARE, SatMAE
from mmae_jax.baselines.sincos import sincos_square
from mmae_jax.spec import FOUNDATION_MODELS, Experiment, SpecError
from mmae_jax.weights.publishers.names import Names, Tensors
from mmae_jax.weights.publishers.timm import block_weights, embedding_weights
from mmae_jax.weights.torch_names import Weight

POSITIONS = "pos_embed"
TOLERANCE = 1e-4


def weights(experiment: Experiment) -> list[Weight]:
    """Returns every tensor, and where it goes."""
    (name,) = experiment.inputs
    width = experiment.model.architecture.embed_dim
    table = [*embedding_weights(experiment, name, SatMAE.channels(experiment, name), 3)]
    table.append(Weight("cls_token", (1, 1, width), ("vit", "cls_token")))
    return [*table, *block_weights(experiment, ("vit", "transformer"))]


def check_positions(tensors: Tensors, experiment: Experiment) -> None:
    """Raises a `SpecError` where the positions in a file are not those that are computed."""
    width, grid = experiment.model.architecture.embed_dim, FOUNDATION_MODELS["satmae"].grid
    width -= 3 * (width // DATE_SHARE)
    expected = np.concatenate([np.zeros((1, width)), sincos_square(grid, width).reshape(-1, width)])[None]
    found = tensors.get(POSITIONS)
    if found is None:
        return
    if found.shape != expected.shape:
        raise SpecError(f"{POSITIONS}: expected shape {expected.shape}, found {found.shape}")
    difference = float(np.abs(found - expected).max())
    if difference > TOLERANCE:
        raise SpecError(
            f"{POSITIONS}: expected sines and cosines of {grid}² places, found {difference:.2g} beside them"
        )


NAMES = Names(weights, dropped=(POSITIONS, "mask_token", "decoder", "norm.", "head."), check=check_positions)

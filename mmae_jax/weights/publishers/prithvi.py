"""Names of Prithvi-EO-2.0: the encoder of the masked autoencoder's file, or that alone."""

from __future__ import annotations

import numpy as np

from mmae_jax.baselines.prithvi import CHANNELS, Prithvi, positions
from mmae_jax.spec import FOUNDATION_MODELS, Experiment
from mmae_jax.weights.publishers.names import BandKernel, Names, Tensors, without_prefix
from mmae_jax.weights.publishers.positions import POSITIONS, check_positions
from mmae_jax.weights.publishers.timm import block_weights
from mmae_jax.weights.torch_names import Weight


def weights(experiment: Experiment) -> list[Weight]:
    """Returns every tensor, and where it goes."""
    ((name, model_input),) = experiment.inputs.items()
    width, patch = experiment.model.architecture.embed_dim, model_input.patch_size
    channels = tuple(channel for channel in Prithvi.channels(experiment, name) if channel is not None)
    shape, embedding = (width, len(CHANNELS), 1, patch, patch), ("patch_embed", name)
    table = [
        BandKernel("patch_embed.proj.weight", shape, (*embedding, "known_kernel"), channels=channels),
        Weight("patch_embed.proj.bias", (width,), (*embedding, "bias")),
        Weight("cls_token", (1, 1, width), ("vit", "cls_token")),
        *block_weights(experiment, ("vit", "transformer")),
    ]
    if experiment.model.date_encoding:
        table.append(Weight("temporal_embed_enc.scale", (1,), ("date_scale",)))
    return table


def _check(tensors: Tensors, experiment: Experiment) -> None:
    places = FOUNDATION_MODELS["prithvi"].grid ** 2
    dates = max(tensors[POSITIONS].shape[1] // places, 1) if POSITIONS in tensors else 1
    width = experiment.model.architecture.embed_dim
    expected = np.asarray(positions(dates, FOUNDATION_MODELS["prithvi"].grid, width))
    check_positions(tensors, expected.reshape(-1, width))


NAMES = Names(
    weights,
    lambda tensors: without_prefix(tensors, "encoder."),
    dropped=(POSITIONS, "temporal_embed_enc.", "location_embed_enc.", "decoder", "mask_token", "norm."),
    check=_check,
)

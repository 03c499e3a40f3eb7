"""Layer-wise decay of the learning rate: the nearer to the input a layer is, the slower it learns."""

from __future__ import annotations

import numpy as np
import optax
from flax import nnx

from mmae_jax.models.encoder import encoder_class
from mmae_jax.models.params import HEADS, Path, by_path, from_paths
from mmae_jax.spec import Experiment


def slower_by_layer(experiment: Experiment, decay: float) -> optax.GradientTransformation:
    """Returns what multiplies the update of each parameter by `decay ** layers`, after the learning rate.

    Heads learn at the full rate; `layers` are the blocks above a parameter, its own among them
    (`Encoder.layers_to_heads`). Decay of weights, which is a part of the update, is slower with it.

    Args:
      experiment: gives the encoder.
      decay: in (0, 1].
    """

    def scaled(updates: nnx.State, _: nnx.State | None) -> nnx.State:
        arrays = by_path(updates)
        factors = {path: factor(experiment, decay, path, array.ndim) for path, array in arrays.items()}
        return from_paths({path: array * factors[path] for path, array in arrays.items()}, updates)

    return optax.stateless(scaled)


def factor(experiment: Experiment, decay: float, path: Path, rank: int) -> np.ndarray:
    """Returns by what the update of a parameter of a rank is multiplied; float32, to be broadcast."""
    if path[0] == HEADS:
        return np.float32(1).reshape((1,) * rank)
    layers = np.asarray(encoder_class(experiment).layers_to_heads(experiment, path))
    return np.float32(decay**layers).reshape(*layers.shape, *(1,) * (rank - layers.ndim))

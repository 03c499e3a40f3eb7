"""Encodings of positions that files hold and the model computes: whether they are the same."""

from __future__ import annotations

import numpy as np

from mmae_jax.spec import SpecError
from mmae_jax.weights.publishers.names import Tensors

POSITIONS = "pos_embed"
TOLERANCE = 1e-4


def check_positions(tensors: Tensors, expected: np.ndarray) -> None:
    """Raises a `SpecError` where a file has other positions than are computed.

    Args:
      tensors: publisher's name → array.
      expected: positions of the patches, `[N, E]`; that of the class token, which stands first in files, is 0.
    """
    found = tensors.get(POSITIONS)
    if found is None:
        return
    whole = np.concatenate([np.zeros_like(expected[:1]), expected])[None]
    if found.shape != whole.shape:
        raise SpecError(f"{POSITIONS}: expected shape {whole.shape}, found {found.shape}")
    difference = float(np.abs(found - whole).max())
    if difference > TOLERANCE:
        raise SpecError(
            f"{POSITIONS}: expected sines and cosines of {len(expected)} places, found {difference:.2g} beside them"
        )

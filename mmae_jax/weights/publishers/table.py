"""The foundation models whose weights are read, by name."""

from __future__ import annotations

from collections.abc import Mapping

from immutabledict import immutabledict

from mmae_jax.weights.publishers import croma, dinov2, dofa, prithvi, satmae
from mmae_jax.weights.publishers.names import Names

NAMES: Mapping[str, Names] = immutabledict(
    dinov2=dinov2.NAMES,
    dinov2_sat=dinov2.NAMES,
    dofa=dofa.NAMES,
    croma=croma.NAMES,
    prithvi=prithvi.NAMES,
    satmae=satmae.NAMES,
)
"""`model.encoder` → names."""

"""The foundation models whose weights are read, by name."""

from __future__ import annotations

from collections.abc import Mapping

from immutabledict import immutabledict

from mmae_jax.weights.publishers import dinov2, satmae
from mmae_jax.weights.publishers.names import Names

NAMES: Mapping[str, Names] = immutabledict(
    dinov2=dinov2.NAMES,
    dinov2_sat=dinov2.NAMES,
    satmae=satmae.NAMES,
)
"""`model.encoder` → names."""

"""Weights of foundation models by the names of their publishers (docs/foundation_models.md)."""

from mmae_jax.weights.publishers.loading import from_publisher, from_run, where_published

__all__ = ["from_publisher", "from_run", "where_published"]

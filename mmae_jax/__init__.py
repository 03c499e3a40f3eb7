"""Masked autoencoders for multimodal, multitemporal, multispectral Earth observation data."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmae_jax.pretrained import load

__all__ = ["load"]


def __getattr__(name: str) -> object:
    """Imports what notebooks use when they use it: it takes JAX, and seconds."""
    if name == "load":
        from mmae_jax.pretrained import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

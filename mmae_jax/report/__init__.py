"""Figures of a run: reconstructions, scores per class, confusion, training curves.

Every function returns a matplotlib `Figure` that belongs to the caller alone (no global state, any thread).
"""

from mmae_jax.report.classes import class_scores, confusion
from mmae_jax.report.output import save_png, to_rgb
from mmae_jax.report.reconstruction import Reconstruction, images_shown, reconstruction
from mmae_jax.report.runs import training_curves

__all__ = [
    "Reconstruction",
    "class_scores",
    "confusion",
    "images_shown",
    "reconstruction",
    "save_png",
    "to_rgb",
    "training_curves",
]

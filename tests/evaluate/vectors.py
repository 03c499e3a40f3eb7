"""Made-up vectors with targets, as an encoder may give them."""

from __future__ import annotations

import numpy as np

from mmae_jax.evaluate.protocols import Labelled
from mmae_jax.spec import Target

CLASSES = ("oak", "beech", "pine")
CLASSIF = Target("classif", CLASSES, "species")
MULTILABEL = Target("multilabel", CLASSES, "shares")
SEGMENT = Target("segment", CLASSES, "cover", size=8)
BIOMASS = Target("regression", (), "tonnes")
HEIGHT = Target("regression", (), "height", size=8, dtype="float32")


def clusters(target: Target, number: int, seed: int, *, width: int = 6, noise: float = 1.0, grid: int = 4) -> Labelled:
    """Returns samples whose vectors lie around the centres of their classes, or along a line for numbers."""
    rng = np.random.default_rng(seed)
    places = (number, grid, grid) if target.is_raster else (number,)
    centres = np.random.default_rng(0).normal(size=(target.num_classes or 1, width))
    if target.kind == "multilabel":
        targets = rng.integers(0, 2, (number, target.num_classes))
        vectors = targets @ centres
    elif target.classes:
        targets = rng.integers(0, target.num_classes, places)
        vectors = centres[targets]
    else:
        targets = rng.normal(size=places).astype(np.float32)
        vectors = targets[..., None] * centres[0]
    vectors = (vectors + noise * rng.normal(size=(*places, width)) + 2).astype(np.float32)
    if target.is_raster:
        assert target.size is not None
        targets = targets.repeat(target.size // grid, axis=1).repeat(target.size // grid, axis=2)
    targets = targets.astype(np.float32 if not target.classes else np.int32)
    return Labelled(vectors, targets, np.ones(targets.shape if target.is_raster else number, bool))

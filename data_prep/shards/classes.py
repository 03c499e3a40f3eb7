"""Which of the declared classes occur: one that never does is often a value that means another class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from data_prep.readers.values import distinct
from mmae_jax.spec import Dataset, Target

MOST_NAMES = 8


def present(target: Target, field: Any) -> set[int]:
    """Returns the indices of the classes that a tile has, from the record field of the target."""
    stored = np.asarray(field)
    if stored.dtype.kind == "f":  # proportions of classes
        return set(np.flatnonzero(stored > target.threshold).tolist())
    values = set(distinct(stored))
    if target.pixel_values is not None:
        return {index for index, value in enumerate(target.pixel_values) if value in values}
    return {value for value in values if 0 <= value < target.num_classes} - set(target.excluded)


def absent(contract: Dataset, found: Iterable[Mapping[str, Iterable[int]]]) -> list[str]:
    """Returns a line for each target of which a declared class occurs in no tile.

    Args:
      contract: the targets and their classes.
      found: target → indices of the classes that occur, for parts of the dataset.
    """
    lines, parts = [], list(found)
    for name, target in contract.targets.items():
        seen = {index for part in parts for index in part.get(name, ())}
        missing = [index for index in range(target.num_classes) if index not in seen]
        if missing:
            names = ", ".join(target.classes[index] for index in missing[:MOST_NAMES])
            more = ", …" if len(missing) > MOST_NAMES else ""
            shifted = "; do the files count from 1?" if missing == [0] and target.num_classes > 2 else ""
            lines.append(
                f"target {name}: {len(missing)} of {target.num_classes} classes in no tile: {names}{more}{shifted}"
            )
    return lines

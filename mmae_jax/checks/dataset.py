"""Whether a sensor contract contradicts itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from mmae_jax.checks.names import check_different, check_names
from mmae_jax.spec import Dataset, Modality, SpecError, Target
from mmae_jax.spec.error import shown

if TYPE_CHECKING:
    from mmae_jax.tasks import Task

COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
LARGEST_OF_JAX = 4
"""Bytes of the largest numbers that are computed with."""


def check_dataset(dataset: Dataset) -> None:
    """Raises a `SpecError` at the first field of a contract that contradicts another."""
    if not dataset.name:
        raise SpecError("dataset.name: expected a name, found ''")
    check_names("dataset.modalities", dataset.modalities)
    check_names("dataset.targets", dataset.targets)
    for name, modality in dataset.modalities.items():
        _check_modality(f"dataset.modalities.{name}", modality, dataset.blocks)
    for name, target in dataset.targets.items():
        _check_target(f"dataset.targets.{name}", target, dataset.blocks)
        task_of(name, target).check(name, target, dataset)


def check_dtype(field: str, dtype: str, largest: int = 8) -> None:
    """Raises a `SpecError` unless `dtype`, of the part called `field`, names numbers of at most `largest` bytes."""
    try:
        found = np.dtype(dtype)
    except (TypeError, ValueError, SyntaxError):
        found = np.dtype(object)
    if found.kind not in "fiu" or found.itemsize > largest or not found.isnative:
        at_most = f" of at most {8 * largest} bits" if largest < 8 else ""
        raise SpecError(f"{field}.dtype: expected the name of a numeric dtype{at_most}, found {shown(dtype)}")


def task_of(name: str, target: Target) -> Task:
    """Returns the task of the target called `name`.

    Raises:
      SpecError: there is no such kind.
    """
    # Imported where an experiment is checked: contracts and configurations import this module, too, and are read
    # without JAX, which tasks compute with.
    from mmae_jax import tasks

    try:
        return tasks.of(target)
    except SpecError as error:
        raise SpecError(f"dataset.targets.{name}.{error}") from None


def check_pixels(field: str, modality: Modality) -> None:
    """Raises a `SpecError` unless the pixels of the modality called `field` have bands, and a numeric dtype."""
    check_dtype(field, modality.dtype)
    if not modality.bands:
        raise SpecError(f"{field}.bands: expected one name or more, found none")


def _check_modality(field: str, modality: Modality, blocks: int) -> None:
    check_pixels(field, modality)
    check_different(f"{field}.bands", modality.bands)
    check_different(f"{field}.mask_channels", modality.mask_channels)
    _check_blocks(field, modality.size, blocks)
    limits, means = modality.value_range, modality.typical_means
    if limits is not None and (len(limits) != 2 or limits[0] >= limits[1]):
        raise SpecError(f"{field}.value_range: expected the smallest and the largest value, found {shown(limits)}")
    if means is not None and len(means) != len(modality.bands):
        raise SpecError(
            f"{field}.typical_means: expected one for each of {len(modality.bands)} bands, found {len(means)}"
        )
    if modality.quantum is not None and np.dtype(modality.dtype).kind == "f":
        raise SpecError(f"{field}.quantum: expected None, as dtype is {modality.dtype}, found {modality.quantum}")


def _check_target(field: str, target: Target, blocks: int) -> None:
    check_names(f"{field}.field", (target.field,))
    check_different(f"{field}.classes", target.classes)
    if target.size is not None:
        check_dtype(field, target.dtype, LARGEST_OF_JAX)
        _check_blocks(field, target.size, blocks)
    if target.pixel_values is None and 0 <= target.missing_value < target.num_classes:
        raise SpecError(
            f"{field}.missing_value: expected a value that is no class, 0 to {target.num_classes - 1}, "
            f"found {target.missing_value}"
        )
    if target.colours is not None:
        if len(target.colours) != target.num_classes:
            raise SpecError(
                f"{field}.colours: expected one for each of {target.num_classes} classes, found {len(target.colours)}"
            )
        for colour in target.colours:
            if not COLOUR.fullmatch(colour):
                raise SpecError(f"{field}.colours: expected colours like #0a64ff, found {shown(colour)}")


def _check_blocks(field: str, size: int, blocks: int) -> None:
    if size % blocks:
        raise SpecError(f"{field}.size: expected a multiple of the {blocks} blocks per side of a tile, found {size}")

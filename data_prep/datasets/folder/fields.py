"""Types and ranges of what a description says, and whether training takes the contract that it makes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from mmae_jax.checks.dataset import check_dataset
from mmae_jax.config import from_plain, to_plain, type_hints
from mmae_jax.ranges import SEED, check_ranges
from mmae_jax.spec import Dataset, SpecError
from mmae_jax.spec.error import shown

if TYPE_CHECKING:
    from data_prep.datasets.folder.description import Folder
    from data_prep.datasets.series.description import Series

SIMPLE = (str, float, bool, int, str | None)
"""Types that are checked one by one; others have rules of their own."""


def check_types(folder: Folder | Series) -> None:
    """Raises a `SpecError` at the first field of another type than it is declared with."""
    for field, part in _parts(folder):
        hints = type_hints(type(part))  # type: ignore[arg-type]
        for each in dataclasses.fields(part):
            if hints[each.name] in SIMPLE:
                from_plain(hints[each.name], getattr(part, each.name), f"{field}{each.name}")
    from_plain(Dataset, to_plain(folder.contract), "")


def check_numbers(folder: Folder | Series) -> None:
    """Raises a `SpecError` at the first number out of its range."""
    seed = getattr(folder.splits, "seed", 0)
    if not SEED.holds(seed):
        raise SpecError(f"splits.seed: expected {SEED.text}, found {shown(seed)}")
    for name, files in folder.modalities.items():
        check_ranges(files.sensor, f"modalities.{name}.sensor")
    for name, source in folder.targets.items():
        check_ranges(source.target, f"targets.{name}.target")
    check_ranges(folder.contract)


def check_contract(contract: Dataset) -> None:
    """Raises a `SpecError` where training would not take the contract: what it could not use is not prepared."""
    try:
        check_dataset(contract)
    except SpecError as error:
        raise SpecError(str(error).removeprefix("dataset.")) from None


def _parts(folder: Folder | Series) -> Iterator[tuple[str, Any]]:
    """Yields the parts of a description with the beginning of their fields' names."""
    yield "", folder
    yield from ((f"modalities.{name}.", files) for name, files in folder.modalities.items())
    yield from ((f"targets.{name}.", source) for name, source in folder.targets.items())
    yield "splits.", folder.splits

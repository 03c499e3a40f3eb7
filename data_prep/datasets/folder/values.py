"""What values in label files and tables mean: an index of a class, or what the description says they mean."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from data_prep.readers.values import check_known
from mmae_jax.spec import SpecError, Target

Values = Mapping[int | str, str | None]
"""Value in the files → class, None for none."""


def meaning(target: Target, name: str | None) -> int:
    """Returns how a class is stored: its index, or the target's `missing_value` for none."""
    return target.missing_value if name is None else target.classes.index(name)


def as_indices(path: Path, values: np.ndarray, target: Target, meanings: Values | None) -> np.ndarray:
    """Returns the classes of pixels as stored, in the target's dtype, `[size, size]` like `values`.

    Args:
      path: file of the values, for messages.
      values: integers, as in the file.
      target: classes, and the values that count as none.
      meanings: what values mean; None where they are indices of classes.

    Raises:
      TileError: a value has no meaning.
    """
    if meanings is None:
        known = {value: value for value in (*range(target.num_classes), *target.excluded)}
        expected = f"classes 0 to {target.num_classes - 1}"
    else:
        known = {value: value for value in target.excluded} | {int(v): meaning(target, m) for v, m in meanings.items()}
        expected = f"values {', '.join(map(str, sorted(map(int, meanings))))}"
    excluded = " or ".join(map(str, target.excluded)) + " (missing or ignored)"
    check_known(path, values, known, f"{expected} or {excluded}", "; values= tells what each means")
    if meanings is None:
        return values
    found = np.unique(values)
    return np.array([known[value] for value in found.tolist()], target.dtype)[np.searchsorted(found, values)]


def check_values(field: str, target: Target, meanings: object, of_pixels: bool) -> None:
    """Raises a `SpecError` unless `meanings` are values of a target with one class, and give each class a value."""
    if meanings is None:
        _check_numbers(field, target, of_pixels)
        return
    if not isinstance(meanings, Mapping) or target.kind not in ("segment", "classif"):
        raise SpecError(f"{field}.values: expected a value for each class of a map or a column, found {meanings!r}")
    for value, name in meanings.items():
        if of_pixels and not (isinstance(value, int) and not isinstance(value, bool)):
            raise SpecError(f"{field}.values: expected whole numbers, found {value!r}")
        if name is not None and name not in target.classes:
            raise SpecError(f"{field}.values: {value}: expected a class ({', '.join(target.classes)}), found {name!r}")
    never = [name for name in target.classes if name not in meanings.values()]
    if never:
        raise SpecError(f"{field}.values: expected a value of each class, found none of {', '.join(never)}")
    if of_pixels and None in meanings.values() and not holds(target.dtype, target.missing_value):
        raise SpecError(
            f"{field}.target.missing_value: expected a value of {target.dtype}, which None is stored as, "
            f"found {target.missing_value}"
        )


def _check_numbers(field: str, target: Target, of_pixels: bool) -> None:
    """Raises a `SpecError` where a value could be the name of one class and the index of another."""
    if target.kind not in ("segment", "classif"):
        return
    numbers = {str(index) for index in (*range(target.num_classes), *target.excluded)}
    for index, name in enumerate(target.classes):
        if name != str(index) and (name.isdecimal() if of_pixels else name in numbers):
            raise SpecError(
                f"{field}.values: expected what each value means, as class {name!r} has index {index}, found None"
            )


def holds(dtype: str, value: float) -> bool:
    """Returns whether numbers of this data type can be `value`."""
    if np.dtype(dtype).kind not in "iu":
        return True
    limits = np.iinfo(np.dtype(dtype))
    return float(value).is_integer() and limits.min <= value <= limits.max

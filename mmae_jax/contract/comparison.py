"""Comparing sensor contracts wherever data meet a model (docs/method.md §9)."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from absl import logging

from mmae_jax.config import to_plain
from mmae_jax.contract.file import ContractError
from mmae_jax.spec import Dataset, Modality, SpecError, Target

VALUES = "values"
"""First part of the names by which `data.allow` accepts findings about values: `values.<input>.<band>`."""


def differences(expected: Any, found: Any, path: str = "") -> list[str]:
    """Returns one line per field in which two plain values differ: dotted name, expected and found value."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        names = [*expected, *(name for name in found if name not in expected)]
        missing = "nothing"
        lines = []
        for name in names:
            lines += differences(
                expected.get(name, missing), found.get(name, missing), f"{path}.{name}" if path else str(name)
            )
        return lines
    return [] if expected == found else [f"{path}: expected {expected!r}, found {found!r}"]


def check_contract(expected: Dataset, found: Dataset, where: str | Path, allow: Iterable[str] = ()) -> None:
    """Stops where data and model disagree, except in what is accepted knowingly.

    Args:
      expected: what the configuration, checkpoint or export says.
      found: what the data say.
      where: the folder or file `found` was read from.
      allow: dotted names of fields that may differ (`data.allow`), e.g. `modalities.s2.scale`; each that does is logged
        once as a warning.

    Raises:
      ContractError: names every other differing field with both values.
      SpecError: a name in `allow` can be no field of a contract.
    """
    check_allow(allow)
    lines = refused(differences(to_plain(expected), to_plain(found)), allow, where)
    if lines:
        raise ContractError(
            f"{where}: the sensor contract differs from the model's; names in data.allow are accepted\n  "
            + "\n  ".join(lines)
        )


def refused(lines: Iterable[str], allow: Iterable[str], where: object, prefix: str = "") -> list[str]:
    """Returns the lines of `differences` whose field is not in `allow`; warns once of each that is.

    Args:
      lines: dotted name, colon, both values.
      allow: dotted names of contract fields.
      where: the folder or file, for the warning.
      prefix: what precedes a contract field's name in `lines`.
    """
    accepted = {prefix + name for name in allow}
    left = []
    for line in lines:
        if line.partition(": ")[0] in accepted:
            warn_once(f"{where}: accepted by data.allow: {line}")
        else:
            left.append(line)
    return left


@functools.lru_cache
def warn_once(message: str) -> None:
    """Logs a warning, the first time it is given."""
    logging.warning("%s", message)


def check_allow(allow: Iterable[str]) -> None:
    """Raises a `SpecError` at a name that can be neither a contract field nor a finding about values."""
    top = {field.name for field in dataclasses.fields(Dataset)}
    inner = {"modalities": Modality, "targets": Target}
    for name in allow:
        first, *rest = name.split(".")
        if first == VALUES:
            known = len(rest) == 2
        elif first in inner:
            known = len(rest) == 1 or (len(rest) == 2 and rest[1] in {f.name for f in dataclasses.fields(inner[first])})
        else:
            known = first in top and not rest
        if not known or not all([first, *rest]):
            raise SpecError(
                "data.allow: expected fields of the sensor contract, e.g. 'modalities.s2.scale', or bands, e.g. "
                f"'{VALUES}.s2.B04', found {name!r}"
            )

"""Names, and lists of them, in which nothing may occur twice."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mmae_jax.spec import SpecError
from mmae_jax.spec.error import shown

NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)
"""Names that stand in dotted fields, records and parameters."""
TAKEN = re.compile(
    "clear|copy|eval|get|items|iter_children|iter_modules|keys|perturb|pop|popitem|set_attributes|setdefault|sow|train|"
    "update|values"
)
"""Methods of `nnx.Dict`, which holds what belongs to a name as an attribute."""


def check_names(field: str, names: Iterable[object]) -> None:
    """Raises a `SpecError` where inputs, modalities or targets, those of `field`, have names that cannot be one."""
    for name in names:
        if not isinstance(name, str) or not NAME.fullmatch(name) or TAKEN.fullmatch(name):
            raise SpecError(f"{field}: expected names of letters, digits and underscores, found {shown(name)}")


def check_different(field: str, values: tuple[object, ...]) -> None:
    """Raises a `SpecError` where a value occurs twice in `field`."""
    for index, value in enumerate(values):
        if value in values[:index]:
            raise SpecError(f"{field}: expected different values, found {shown(value)} twice")

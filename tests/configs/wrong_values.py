"""Values for every field of an experiment that are mostly wrong: made from the specification, not by hand."""

import copy
import dataclasses
import math
import typing
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from immutabledict import immutabledict

from mmae_jax import spec

NUMBERS = (-1, 0, 1, 2, 3, 7, 2**31, 10**30, -(10**400), -0.5, 1e-300, 1e300, math.nan, math.inf, -math.inf)
TEXTS = ("", " ", "x", "None", "a\nb", "\0", "../x", "é", "9" * 5000, "(" * 3000, "x.y", "items")
OTHERS = (None, True, b"x", 1j, [], [[]], [None], ["x"], ["x", "x"], [1], [1, 1], [0, -1], [math.nan], {}, {"x": 1})
STRANGE = (np.zeros(2), np.float32(1), np.int64(1), object(), {1: 2}, {"x"}, math.sqrt, list(range(20)))
VALUES = (*NUMBERS, *TEXTS, *OTHERS, *STRANGE)


class Change(NamedTuple):
    """A field and another value: of any type in a config file, or a text on the command line."""

    path: tuple[str, ...]
    value: Any


def places(kind: Any, plain: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths to all fields of a part of an experiment, and to what a mapping holds."""
    if dataclasses.is_dataclass(kind):
        for name, hint in typing.get_type_hints(kind).items():
            yield (*path, name)
            if isinstance(plain, dict) and name in plain:
                yield from places(hint, plain[name], (*path, name))
    elif typing.get_origin(kind) is immutabledict:
        for key, item in list(plain.items())[-1:]:  # the others are alike
            yield (*path, key)
            yield from places(typing.get_args(kind)[1], item, (*path, key))


def at(plain: Any, path: tuple[str, ...]) -> Any:
    """The value of a field, None where it is not set."""
    for name in path:
        plain = plain.get(name) if isinstance(plain, dict) else None
    return plain


def changes(plain: dict[str, Any]) -> Iterator[Change]:
    """Every field with every value, with variations of its own, misspelled, and left out of those beside it."""
    for path in places(spec.Experiment, plain):
        yield from (Change(path, value) for value in VALUES)
        yield from (Change(path, value) for value in variations(at(plain, path)))
        yield Change((*path[:-1], path[-1] + "_"), 1)
        yield Change((*path, "below"), 1)


def variations(value: Any) -> Iterator[Any]:
    """Values like the one that is right: of other signs and sizes, longer, shorter, doubled, in another order."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from (-value, value + 1, value * 3, value / 7, str(value), [value])
    elif isinstance(value, str):
        yield from (value.upper(), value + value, value[:-1], [value])
    elif isinstance(value, list) and value:
        yield from (value[:-1], value + value, value[::-1], [*value, None], [value], tuple(value), value[0])


def changed(plain: dict[str, Any], change: Change) -> dict[str, Any]:
    """The fields with another value at a place."""
    *above, last = change.path
    result = part = dict(plain)
    for name in above:
        below = part.get(name)
        part[name] = dict(below) if isinstance(below, dict) else {} if below is None else {"": below}
        part = part[name]
    part[last] = copy.copy(change.value)
    return result


def texts(change: Change) -> str | None:
    """What is typed for a change, None where it cannot be."""
    text = change.value if isinstance(change.value, str) else repr(change.value) if printable(change.value) else None
    return None if text is None else text[:6000]


def printable(value: Any) -> bool:
    """Whether `repr` gives what a person could type."""
    return isinstance(value, (int, float, list, tuple, dict, type(None))) and value not in (-(10**400),)

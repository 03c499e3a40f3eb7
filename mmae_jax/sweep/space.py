"""Which fields a sweep varies, and the values of each trial."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Mapping, Sequence

import numpy as np

from mmae_jax.exit_codes import UsageError

RANGE = re.compile(r"(?P<kind>log|uniform|int)\((?P<low>[^,()]+),(?P<high>[^,()]+)\)")
EXPECTED = "expected FIELD=a,b,c or FIELD=log(LOW,HIGH), uniform(LOW,HIGH), int(LOW,HIGH)"
DIGITS = 4
"""Significant digits of numbers that are drawn."""
TRIALS_LIMIT = 10_000


@dataclasses.dataclass(frozen=True)
class Field:
    """A field that is varied.

    Attributes:
      name: dotted name in the experiment, e.g. `pretrain.base_lr`.
      values: texts of the values to try; none of a range.
      kind: of a range: `log` (uniform in the logarithm), `uniform`, or `int` (whole numbers); `list` of values.
      low: of a range, inclusive.
      high: of a range, inclusive.
    """

    name: str
    values: tuple[str, ...] = ()
    kind: str = "list"
    low: float = 0.0
    high: float = 0.0

    def draw(self, random: np.random.Generator) -> str:
        """Returns the text of a value at random."""
        if self.kind == "list":
            return self.values[int(random.integers(len(self.values)))]
        if self.kind == "int":
            return str(int(random.integers(int(self.low), int(self.high) + 1)))
        if self.kind == "log":
            return f"{np.exp(random.uniform(np.log(self.low), np.log(self.high))):.{DIGITS}g}"
        return f"{random.uniform(self.low, self.high):.{DIGITS}g}"


def field(text: str) -> Field:
    """Returns the field that `NAME=VALUES` names.

    Raises:
      UsageError: it is none.
    """
    name, equals, values = text.partition("=")
    name = name.strip().removeprefix("config.")
    if not (name and equals and values.strip()):
        raise UsageError(f"--vary: {EXPECTED}, found {text!r}")
    match = RANGE.fullmatch(re.sub(r"\s", "", values))
    if match is None:
        listed = tuple(value.strip() for value in re.split(r",(?![^(\[]*[)\]])", values))
        if "" in listed or len(set(listed)) < len(listed):
            raise UsageError(f"--vary: expected different values of {name}, found {values!r}")
        return Field(name, listed)
    try:
        low, high = float(match["low"]), float(match["high"])
    except ValueError:
        raise UsageError(f"--vary: {name}: expected numbers in {match['kind']}(LOW,HIGH), found {values!r}") from None
    least = 0.0 if match["kind"] == "log" else -np.inf
    if not least < low < high < np.inf:
        above = "0 < LOW < HIGH" if match["kind"] == "log" else "LOW < HIGH"
        raise UsageError(f"--vary: {name}: expected {above}, found {values!r}")
    if match["kind"] == "int" and not (low.is_integer() and high.is_integer()):
        raise UsageError(f"--vary: {name}: expected whole numbers in int(LOW,HIGH), found {values!r}")
    return Field(name, kind=match["kind"], low=low, high=high)


def trials(fields: Sequence[Field], number: int | None, seed: int) -> list[dict[str, str]]:
    """Returns the values of each trial: field → text.

    Args:
      fields: what is varied.
      number: trials of a random search, each drawn by its own number, so that more of them change none of the first;
        None for the grid: all combinations of the values, the last field fastest.
      seed: of the random search.

    Raises:
      UsageError: a field is named twice, a range has no grid, or there are too many combinations.
    """
    names = [one.name for one in fields]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"--vary: expected each field once, found {twice[0]} twice")
    if number is not None:
        return [_drawn(fields, np.random.default_rng([seed, index])) for index in range(number)]
    if ranges := [one.name for one in fields if one.kind != "list"]:
        raise UsageError(f"--trials: expected how many to draw, as {ranges[0]} is a range without a grid; found none")
    size = int(np.prod([len(one.values) for one in fields], dtype=np.float64))
    if size > TRIALS_LIMIT:
        raise UsageError(
            f"--vary: expected at most {TRIALS_LIMIT:,} combinations, found {size:,}; draw some by --trials"
        )
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*(one.values for one in fields))]


def _drawn(fields: Sequence[Field], random: np.random.Generator) -> dict[str, str]:
    return {one.name: one.draw(random) for one in fields}


def described(fields: Sequence[Field]) -> list[Mapping[str, object]]:
    """Returns the fields as JSON values."""
    return [dataclasses.asdict(one) | {"values": list(one.values)} for one in fields]

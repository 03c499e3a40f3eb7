"""What the fields of the specification mean: read from where they are defined, for people."""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections.abc import Iterator
from typing import Any

from immutabledict import immutabledict

ATTRIBUTE = re.compile(
    r"\n  (?P<name>\w+): (?P<text>.*?)(?: \[(?P<unit>[^\[\]`]+)\])?\.?(?=\n  \w+: |\n\S|\s*$)", re.DOTALL
)
REQUIRED = dataclasses.MISSING
"""Default of a field that has none."""


@dataclasses.dataclass(frozen=True)
class Meaning:
    """What a class of the specification says of one of its fields.

    Attributes:
      text: the field's meaning, in one line.
      unit: unit of the value, empty where it has none.
      default: value where nothing else is said, or `REQUIRED`.
    """

    text: str
    unit: str
    default: Any


@dataclasses.dataclass(frozen=True)
class Field:
    """A field of an experiment.

    Attributes:
      name: dotted name, as overrides have it.
      value: value in this experiment.
      meaning: what it says of itself.
    """

    name: str
    value: Any
    meaning: Meaning

    @property
    def differs(self) -> bool:
        """Whether the value is another than the default."""
        return self.meaning.default is not REQUIRED and self.value != self.meaning.default


def meanings(kind: type) -> dict[str, Meaning]:
    """Returns name → meaning of each field of a dataclass, as its docstring has it under `Attributes`."""
    _, _, attributes = (inspect.getdoc(kind) or "").partition("Attributes:")
    said = {match["name"]: match for match in ATTRIBUTE.finditer(attributes)}
    found = {}
    for field in dataclasses.fields(kind):
        text, unit = (said[field.name]["text"], said[field.name]["unit"]) if field.name in said else ("", None)
        found[field.name] = Meaning(" ".join(text.split()), unit or "", field.default)
    return found


def walk(value: Any, name: str = "") -> Iterator[Field]:
    """Yields all fields below a dataclass of the specification, in order."""
    hints, prefix = typing.get_type_hints(type(value)), f"{name}." if name else ""
    for field, meaning in meanings(type(value)).items():
        below, path = getattr(value, field), f"{prefix}{field}"
        if dataclasses.is_dataclass(below):
            yield from walk(below, path)
        elif typing.get_origin(hints[field]) is immutabledict:
            items = {f"{path}.{key}": item for key, item in below.items() if dataclasses.is_dataclass(item)}
            for path_of_item, item in items.items():
                yield from walk(item, path_of_item)
            if len(items) < len(below) or not below:  # names that stand for others
                yield Field(path, dict(below), dataclasses.replace(meaning, default={}))
        else:
            yield Field(path, below, meaning)

"""Fields of an experiment that are overridden by name: types and names come from the specification.

The command-line flags of `ml_collections` are not used for it: they know the fields that a config file happens to set
and the types that they have there, no list, and nothing that may be None.
"""

from __future__ import annotations

import ast
import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from immutabledict import immutabledict

from mmae_jax import spec
from mmae_jax.config import from_plain, to_plain, type_hints
from mmae_jax.exit_codes import UsageError, meant
from mmae_jax.spec import SpecError
from mmae_jax.spec.error import choices

BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


@dataclasses.dataclass(frozen=True)
class Override:
    """A field and its value, as typed.

    Attributes:
      field: dotted name, e.g. `pretrain.epochs`.
      value: text of the value.
    """

    field: str
    value: str

    def __str__(self) -> str:
        return f"--config.{self.field}={self.value}"


def overridden(fields: Mapping[str, Any], overrides: Sequence[Override]) -> dict[str, Any]:
    """Returns the fields of an experiment (JSON types) with overrides; those of a whole come before those of its parts.

    Raises:
      UsageError: a field is unknown, or a value of another type.
    """
    plain = to_plain(fields)
    for override in sorted(overrides, key=lambda override: override.field.count(".")):
        _set(plain, override)
    return plain


def _set(plain: dict[str, Any], override: Override) -> None:
    *above, last = override.field.split(".")
    at, kind, name = plain, spec.Experiment, "--config"
    for part in above:
        kind, name = _below(kind, at, part, name), f"{name}.{part}"
        if kind is spec.Architecture and isinstance(at.get(part), str) and at[part] in spec.ARCHITECTURES:
            at[part] = to_plain(spec.ARCHITECTURES[at[part]])
        at = at.setdefault(part, {})
    kind, name = _below(kind, at, last, name), f"{name}.{last}"
    at[last] = _value(kind, override.value)
    if not (kind is spec.Architecture and isinstance(at[last], str)) and typing.get_origin(kind) is not typing.Literal:
        try:
            from_plain(kind, at[last], name)
        except SpecError as error:
            raise UsageError(str(error)) from error


def _below(kind: Any, at: Any, part: str, name: str) -> Any:
    """Returns the type of the field `part` of `at`, which is of type `kind` and called `name`."""
    known: Mapping[str, Any] = {}
    if isinstance(at, Mapping) and dataclasses.is_dataclass(kind):
        known = type_hints(kind)  # type: ignore[arg-type]
    elif isinstance(at, Mapping) and typing.get_origin(kind) is immutabledict:
        value = typing.get_args(kind)[1]
        known = dict.fromkeys(at, value) if dataclasses.is_dataclass(value) else {part: value}  # else any name
    else:
        raise UsageError(f"{name}.{part}: no such field; expected nothing below {name}")
    if part not in known:
        raise UsageError(f"{name}.{part}: no such field; expected one of {choices(known)}{meant(part, known)}")
    return known[part]


def _value(kind: Any, text: str) -> Any:
    """Returns the value that `text` has as `kind`, and the text itself where it has none."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        inner = next(argument for argument in arguments if argument is not types.NoneType)
        return None if text.lower() == "none" else _value(inner, text)
    if kind is bool:
        return BOOLEANS.get(text.lower(), text)
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            return text
    if origin is tuple:
        value = _literal(text, [part.strip() for part in text.split(",")] if text else [])
        return list(value) if isinstance(value, (list, tuple)) else [value]
    if origin is immutabledict or dataclasses.is_dataclass(kind):
        return _literal(text, text)
    return text


def _literal(text: str, otherwise: Any) -> Any:
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):  # the last two of deep nesting
        return otherwise

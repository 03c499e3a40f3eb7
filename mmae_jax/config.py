"""From an `ml_collections.ConfigDict` to a checked `spec.Experiment`, and back to plain JSON types."""

from __future__ import annotations

import dataclasses
import functools
import math
import re
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from immutabledict import immutabledict
from ml_collections import ConfigDict

from mmae_jax import spec
from mmae_jax.checks import check_experiment
from mmae_jax.spec import SpecError
from mmae_jax.spec.error import choices, shown

T = TypeVar("T")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
"""Characters that no path, name or unit has."""


def to_plain(value: Any) -> Any:
    """Returns dataclasses, mappings and tuples as dicts and lists of JSON types (dataclass fields in order)."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, ConfigDict):
        value = value.to_dict()
    if isinstance(value, Mapping):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    return value


def from_plain(kind: Any, value: Any, path: str) -> Any:
    """Returns `value` (JSON types) as an instance of the type `kind`.

    Args:
      kind: a dataclass, or a type annotation used in `spec`.
      value: what was read.
      path: dotted name of the field, for messages.

    Raises:
      SpecError: a field is unknown, absent or of another type; the message names it.
    """
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _dataclass_from_plain(kind, value, path)
    if origin in (typing.Union, types.UnionType):
        inner = next(arg for arg in args if arg is not type(None))
        if isinstance(value, str) and not value:
            raise SpecError(f"{path}: expected None or something, found ''")
        return None if value is None else from_plain(inner, value, path)
    if origin is typing.Literal:
        if not isinstance(value, str) or value not in args:
            raise SpecError(f"{path}: expected one of {choices(args)}, found {shown(value)}")
        return value
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise SpecError(f"{path}: expected a list, found {shown(value)}")
        return tuple(from_plain(args[0], item, f"{path}[{index}]") for index, item in enumerate(value))
    if origin in (immutabledict, dict):
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            raise SpecError(f"{path}: expected names with settings, found {shown(value)}")
        return origin({key: from_plain(args[1], item, f"{path}.{key}") for key, item in value.items()})
    if not isinstance(value, (int, float) if kind is float else kind) or (
        isinstance(value, bool) and kind not in (bool, object)
    ):
        raise SpecError(f"{path}: expected {kind.__name__}, found {shown(value)}")
    if isinstance(value, str) and CONTROL.search(value):
        raise SpecError(f"{path}: expected text without control characters, found {shown(value)}")
    return _as_float(value) if kind is float else value


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer of 309 digits or more
        return math.inf if value > 0 else -math.inf


@functools.cache
def type_hints(kind: type) -> dict[str, Any]:
    """Returns field → type of a dataclass; the evaluation of annotations takes longer than all else here."""
    return typing.get_type_hints(kind)


def _dataclass_from_plain(kind: type[T], value: Any, path: str) -> T:
    if not isinstance(value, Mapping):
        raise SpecError(f"{path}: expected the fields of {kind.__name__}, found {shown(value)}")
    hints = type_hints(kind)  # type: ignore[arg-type]
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    prefix = f"{path}." if path else ""
    for name in value:
        if name not in fields:
            raise SpecError(f"{prefix}{name}: no such field; expected one of {choices(fields)}")
    for name, field in fields.items():
        if name not in value and field.default is dataclasses.MISSING:
            raise SpecError(f"{prefix}{name}: missing, expected {kind.__name__}.{name}")
    return kind(**{name: from_plain(hints[name], item, f"{prefix}{name}") for name, item in value.items()})


def experiment_from_config(config: ConfigDict | Mapping[str, Any]) -> spec.Experiment:
    """Returns the checked experiment a configuration describes.

    `model.architecture` is a name of `spec.ARCHITECTURES` or the fields of `spec.Architecture`.

    Raises:
      SpecError: a field is unknown, absent, of another type, or contradicts another field.
    """
    plain = to_plain(config)
    model = plain.get("model")
    if isinstance(model, dict) and isinstance(model.get("architecture"), str):
        name = model["architecture"]
        if name not in spec.ARCHITECTURES:
            raise SpecError(f"model.architecture: expected one of {choices(spec.ARCHITECTURES)}, found {shown(name)}")
        model["architecture"] = to_plain(spec.ARCHITECTURES[name])
    experiment = from_plain(spec.Experiment, plain, "")
    check_experiment(experiment)
    return experiment

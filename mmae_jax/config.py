"""From an `ml_collections.ConfigDict` to a checked `spec.Experiment`, and back to plain JSON types."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from immutabledict import immutabledict
from ml_collections import ConfigDict

from mmae_jax import spec
from mmae_jax.checks import check_experiment
from mmae_jax.spec import SpecError

T = TypeVar("T")


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
        return None if value is None else from_plain(inner, value, path)
    if origin is typing.Literal:
        if value not in args:
            raise SpecError(f"{path}: expected one of {', '.join(map(str, args))}, found {value!r}")
        return value
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise SpecError(f"{path}: expected a list, found {value!r}")
        return tuple(from_plain(args[0], item, f"{path}[{index}]") for index, item in enumerate(value))
    if origin in (immutabledict, dict):
        if not isinstance(value, Mapping):
            raise SpecError(f"{path}: expected names with settings, found {value!r}")
        return origin({key: from_plain(args[1], item, f"{path}.{key}") for key, item in value.items()})
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise SpecError(f"{path}: expected {kind.__name__}, found {value!r}")
    return value


def _dataclass_from_plain(kind: type[T], value: Any, path: str) -> T:
    if not isinstance(value, Mapping):
        raise SpecError(f"{path}: expected the fields of {kind.__name__}, found {value!r}")
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    prefix = f"{path}." if path else ""
    for name in value:
        if name not in fields:
            raise SpecError(f"{prefix}{name}: no such field; expected one of {', '.join(fields)}")
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
            raise SpecError(f"model.architecture: expected one of {', '.join(spec.ARCHITECTURES)}, found {name!r}")
        model["architecture"] = to_plain(spec.ARCHITECTURES[name])
    experiment = from_plain(spec.Experiment, plain, "")
    check_experiment(experiment)
    return experiment

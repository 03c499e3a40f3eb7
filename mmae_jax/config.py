"""From an `ml_collections.ConfigDict` to a checked `spec.Experiment`, and back to plain JSON types."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from immutabledict import immutabledict
from ml_collections import ConfigDict

from mmae_jax import spec
from mmae_jax.spec import SpecError

if TYPE_CHECKING:
    from mmae_jax.tasks import Task

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
    if origin is immutabledict:
        if not isinstance(value, Mapping):
            raise SpecError(f"{path}: expected names with settings, found {value!r}")
        return immutabledict({key: from_plain(args[1], item, f"{path}.{key}") for key, item in value.items()})
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


def check_experiment(experiment: spec.Experiment) -> None:
    """Raises a `SpecError` at the first field that contradicts another or the dataset."""
    if not experiment.inputs:
        raise SpecError("inputs: expected at least one modality, found none")
    for name, modality_input in experiment.inputs.items():
        _check_input(name, modality_input, experiment.dataset)
    _check_shared_embeddings(experiment)
    _check_model(experiment.model, experiment)
    for name in experiment.targets:
        _check_target(name, experiment)
    _check_loss(experiment.loss)
    for name in experiment.phases:
        if name not in spec.PHASES:
            raise SpecError(f"phases: expected some of {', '.join(spec.PHASES)}, found {name!r}")
        _check_phase(name, experiment.phase(name), experiment)
    if list(experiment.phases) != sorted(experiment.phases, key=spec.PHASES.index):
        raise SpecError(f"phases: expected the order {', '.join(spec.PHASES)}, found {', '.join(experiment.phases)}")
    for name in ("ratio", "mod", "bands", "dates", "loc"):
        if not 0 <= getattr(experiment.mask, name) < 1:
            raise SpecError(f"mask.{name}: expected a number in [0, 1), found {getattr(experiment.mask, name)}")
    _check_logging(experiment.logging)
    if experiment.profile and (len(experiment.profile) != 2 or min(experiment.profile) < 1):
        raise SpecError(f"profile: expected the first step and the number of steps, found {experiment.profile}")
    _ = experiment.crop_cells


def _check_logging(logging: spec.Logging) -> None:
    for field in (
        "every_steps",
        "checkpoint_every_steps",
        "checkpoint_every_minutes",
        "keep_checkpoints",
        "peak_tflops",
    ):
        value = getattr(logging, field)
        if value is not None and value <= 0:
            raise SpecError(f"logging.{field}: expected a positive number, found {value}")


def _check_input(name: str, modality_input: spec.Input, dataset: spec.Dataset) -> None:
    modality = modality_input.stored_as or name
    if modality not in dataset.modalities:
        field = f"inputs.{name}.stored_as: {modality!r}" if modality_input.stored_as else f"inputs.{name}"
        raise SpecError(f"{field}: no such modality in {dataset.name}; expected one of {', '.join(dataset.modalities)}")
    stored = dataset.modalities[modality].bands
    for band in modality_input.band_names:
        if band not in stored:
            raise SpecError(
                f"inputs.{name}.bands: no band {band!r} in {dataset.name}; expected some of {', '.join(stored)}"
            )
    if len(set(modality_input.band_names)) != len(modality_input.band_names) or not all(modality_input.bands):
        raise SpecError(
            f"inputs.{name}.bands: expected non-empty groups of different bands, found {modality_input.bands}"
        )
    if sum(modality_input.target_runs) != len(modality_input.band_names):
        raise SpecError(
            f"inputs.{name}.norm_bands: expected lengths that add up to {len(modality_input.band_names)} bands, "
            f"found {modality_input.norm_bands}"
        )
    for field in ("image_size", "patch_size", "num_dates"):
        if getattr(modality_input, field) < 1:
            raise SpecError(
                f"inputs.{name}.{field}: expected a positive number, found {getattr(modality_input, field)}"
            )
    if modality_input.image_size % modality_input.patch_size:
        raise SpecError(
            f"inputs.{name}.image_size: expected a multiple of patch_size {modality_input.patch_size}, "
            f"found {modality_input.image_size}"
        )


def _check_shared_embeddings(experiment: spec.Experiment) -> None:
    first: dict[str, str] = {}
    for name, modality_input in experiment.inputs.items():
        other = first.setdefault(modality_input.name_embed or name, name)
        for field in ("patch_size", "group_lengths"):
            expected, found = getattr(experiment.inputs[other], field), getattr(modality_input, field)
            if expected != found:
                raise SpecError(
                    f"inputs.{name}.{field}: expected {expected} as in {other} with the same embedding, found {found}"
                )


def _check_model(model: spec.Model, experiment: spec.Experiment) -> None:
    architecture = model.architecture
    for field in ("embed_dim", "decoder_dim"):
        width = getattr(architecture, field)
        if width % 4 or width < 16:
            raise SpecError(f"model.architecture.{field}: expected a multiple of 4, at least 16, found {width}")
    if experiment.targets and model.head == "attentive" and architecture.embed_dim % 8:
        raise SpecError(
            "model.architecture.embed_dim: expected a multiple of the 8 heads of attentive pooling, "
            f"found {architecture.embed_dim}"
        )
    if not 0 <= model.inter_depth < architecture.depth:
        raise SpecError(f"model.inter_depth: expected 0 to {architecture.depth - 1}, found {model.inter_depth}")
    if model.inter_depth and model.fusion not in ("mod", "group"):
        raise SpecError(f"model.inter_depth: expected 0 in fusion mode {model.fusion}, found {model.inter_depth}")
    largest = max(modality_input.grid for modality_input in experiment.inputs.values())
    if model.grid_pos_enc is not None and model.grid_pos_enc < largest:
        raise SpecError(f"model.grid_pos_enc: expected at least the largest grid {largest}, found {model.grid_pos_enc}")
    if model.ref_input is not None and model.ref_input not in experiment.inputs:
        raise SpecError(f"model.ref_input: expected one of {', '.join(experiment.inputs)}, found {model.ref_input!r}")


def _check_target(name: str, experiment: spec.Experiment) -> None:
    dataset, model = experiment.dataset, experiment.model
    if name not in dataset.targets:
        raise SpecError(f"targets: no target {name!r} in {dataset.name}; expected some of {', '.join(dataset.targets)}")
    target = dataset.targets[name]
    _task(name, target).check(name, target, dataset)
    if target.size is None:
        return
    if model.ref_input is None:
        raise SpecError(f"model.ref_input: expected an input, on whose grid target {name} is predicted, found none")
    size = target.size * experiment.crop_cells // dataset.size_gcd
    grid = experiment.inputs[model.ref_input].grid
    if size % grid:
        raise SpecError(
            f"model.ref_input: expected a grid that divides the {size} pixels of target {name}, "
            f"found {grid} of {model.ref_input}"
        )


def _task(name: str, target: spec.Target) -> Task:
    # Imported where an experiment is checked: contracts and configurations import this module, too, and are read
    # without JAX, which tasks compute with.
    from mmae_jax import tasks

    try:
        return tasks.of(target)
    except SpecError as error:
        raise SpecError(f"dataset.targets.{name}.{error}") from None


def _check_loss(loss: str) -> None:
    from mmae_jax.losses import LOSSES

    if loss not in LOSSES:
        raise SpecError(f"loss: expected one of {', '.join(LOSSES)}, found {loss!r}")


def _check_phase(name: str, phase: spec.Phase, experiment: spec.Experiment) -> None:
    for field in ("epochs", "batch_size"):
        if getattr(phase, field) < 1:
            raise SpecError(f"{name}.{field}: expected a positive number, found {getattr(phase, field)}")
    if name != "pretrain" and not experiment.targets:
        raise SpecError(f"targets: expected at least one for phase {name}, found none")
    if phase.monitor is None:
        return
    target, _, metric = phase.monitor.partition("/")
    known = {t: _task(t, experiment.dataset.targets[t]).monitors for t in experiment.targets}
    if metric not in known.get(target, ()):
        choices = [f"{t}/{m}" for t, metrics in known.items() for m in metrics]
        raise SpecError(f"{name}.monitor: expected one of {', '.join(choices)}, found {phase.monitor!r}")

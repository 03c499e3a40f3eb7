"""Whether the fields of an experiment fit each other, its dataset, and what the program can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mmae_jax import spec
from mmae_jax.ranges import check_ranges
from mmae_jax.spec import SpecError

if TYPE_CHECKING:
    from mmae_jax.tasks import Task


def check_experiment(experiment: spec.Experiment) -> None:
    """Raises a `SpecError` at the first field that contradicts another or the dataset."""
    check_ranges(experiment)
    if not experiment.inputs:
        raise SpecError("inputs: expected at least one modality, found none")
    for name, modality in experiment.dataset.modalities.items():
        check_dtype(f"dataset.modalities.{name}", modality.dtype)
    for name, model_input in experiment.inputs.items():
        _check_input(name, model_input, experiment.dataset)
    _check_shared_embeddings(experiment)
    _check_model(experiment.model, experiment)
    for name in experiment.targets:
        _check_target(name, experiment)
    _check_encoder(experiment)
    _check_loss(experiment.loss)
    for name in experiment.phases:
        if name not in spec.PHASES:
            raise SpecError(f"phases: expected some of {', '.join(spec.PHASES)}, found {name!r}")
        _check_phase(name, experiment.phase(name), experiment)
    if not experiment.phases or list(experiment.phases) != sorted(set(experiment.phases), key=spec.PHASES.index):
        raise SpecError(
            f"phases: expected one or more of {', '.join(spec.PHASES)}, each once, in this order, "
            f"found {', '.join(experiment.phases) or 'none'}"
        )
    if experiment.profile and len(experiment.profile) != 2:
        raise SpecError(f"profile: expected the first step and the number of steps, found {experiment.profile}")
    _ = experiment.crop_cells


def check_dtype(field: str, dtype: str, largest: int = 8) -> None:
    """Raises a `SpecError` unless `dtype`, of the part called `field`, names numbers of at most `largest` bytes."""
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = np.dtype(object)
    if found.kind not in "fiu" or found.itemsize > largest:
        at_most = f" of at most {8 * largest} bits" if largest < 8 else ""
        raise SpecError(f"{field}.dtype: expected the name of a numeric dtype{at_most}, found {dtype!r}")


def _check_input(name: str, model_input: spec.Input, dataset: spec.Dataset) -> None:
    modality = model_input.stored_as or name
    if modality not in dataset.modalities:
        field = f"inputs.{name}.stored_as: {modality!r}" if model_input.stored_as else f"inputs.{name}"
        raise SpecError(f"{field}: no such modality in {dataset.name}; expected one of {', '.join(dataset.modalities)}")
    stored = dataset.modalities[modality].bands
    for band in model_input.band_names:
        if band not in stored:
            raise SpecError(
                f"inputs.{name}.bands: no band {band!r} in {dataset.name}; expected some of {', '.join(stored)}"
            )
    if len(set(model_input.band_names)) != len(model_input.band_names) or not all(model_input.bands):
        raise SpecError(f"inputs.{name}.bands: expected non-empty groups of different bands, found {model_input.bands}")
    if sum(model_input.target_runs) != len(model_input.band_names):
        raise SpecError(
            f"inputs.{name}.norm_bands: expected lengths that add up to {len(model_input.band_names)} bands, "
            f"found {model_input.norm_bands}"
        )
    if model_input.image_size % model_input.patch_size:
        raise SpecError(
            f"inputs.{name}.image_size: expected a multiple of patch_size {model_input.patch_size}, "
            f"found {model_input.image_size}"
        )


def _check_shared_embeddings(experiment: spec.Experiment) -> None:
    first: dict[str, str] = {}
    for name, model_input in experiment.inputs.items():
        other = first.setdefault(model_input.name_embed or name, name)
        for field in ("patch_size", "group_lengths"):
            expected, found = getattr(experiment.inputs[other], field), getattr(model_input, field)
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
    largest = max(model_input.grid for model_input in experiment.inputs.values())
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


def _check_encoder(experiment: spec.Experiment) -> None:
    from mmae_jax.models.encoder import encoder_class

    encoder_class(experiment)


def _check_loss(loss: str) -> None:
    from mmae_jax.losses import LOSSES

    if loss not in LOSSES:
        raise SpecError(f"loss: expected one of {', '.join(LOSSES)}, found {loss!r}")


def _check_phase(name: str, phase: spec.Phase, experiment: spec.Experiment) -> None:
    if not phase.train_splits:
        raise SpecError(f"{name}.train_splits: expected at least one split, found none")
    if name != "pretrain" and not experiment.targets:
        raise SpecError(f"targets: expected at least one for phase {name}, found none")
    if phase.monitor is None:
        return
    target, _, metric = phase.monitor.partition("/")
    known = {t: _task(t, experiment.dataset.targets[t]).monitors for t in experiment.targets}
    if metric not in known.get(target, ()):
        choices = [f"{t}/{m}" for t, metrics in known.items() for m in metrics]
        raise SpecError(f"{name}.monitor: expected one of {', '.join(choices)}, found {phase.monitor!r}")

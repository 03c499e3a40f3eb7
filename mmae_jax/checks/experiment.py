"""Whether the fields of an experiment fit each other, its dataset, and what the program can do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmae_jax import spec
from mmae_jax.checks.dataset import check_dataset
from mmae_jax.checks.foundation import check_foundation
from mmae_jax.checks.inputs import check_inputs
from mmae_jax.checks.model import check_model
from mmae_jax.checks.names import check_different
from mmae_jax.ranges import check_ranges
from mmae_jax.spec import SpecError
from mmae_jax.spec.error import choices, shown


def check_experiment(experiment: spec.Experiment) -> None:
    """Raises a `SpecError` at the first field that contradicts another or the dataset."""
    check_ranges(experiment)
    check_dataset(experiment.dataset)
    check_inputs(experiment)
    _check_phases(experiment)
    check_different("targets", experiment.targets)
    for name in experiment.targets:
        _check_target(name, experiment)
    check_model(experiment)
    _check_encoder(experiment)
    check_foundation(experiment)
    _check_loss(experiment.loss)
    for name in experiment.phases:
        _check_phase(name, experiment.phase(name), experiment)
    _check_allow(experiment)
    _check_transfer(experiment)
    if experiment.profile and len(experiment.profile) != 2:
        raise SpecError(f"profile: expected the first step and the number of steps, found {shown(experiment.profile)}")


def _check_phases(experiment: spec.Experiment) -> None:
    for name in experiment.phases:
        if name not in spec.PHASES:
            raise SpecError(f"phases: expected some of {', '.join(spec.PHASES)}, found {shown(name)}")
    if not experiment.phases or list(experiment.phases) != sorted(set(experiment.phases), key=spec.PHASES.index):
        raise SpecError(
            f"phases: expected one or more of {', '.join(spec.PHASES)}, each once, in this order, "
            f"found {choices(experiment.phases)}"
        )


def _check_target(name: str, experiment: spec.Experiment) -> None:
    dataset, model = experiment.dataset, experiment.model
    if name not in dataset.targets:
        raise SpecError(
            f"targets: no target {shown(name)} in {dataset.name}; expected some of {choices(dataset.targets)}"
        )
    target = dataset.targets[name]
    if target.size is None:
        return
    if model.ref_input is None:
        raise SpecError(f"model.ref_input: expected an input, on whose grid target {name} is predicted, found none")
    if model.ref_input not in experiment.inputs:
        return  # told where the model is checked
    size = target.size * experiment.crop_cells // dataset.size_gcd
    grid = experiment.inputs[model.ref_input].grid
    if size % grid:
        raise SpecError(
            f"model.ref_input: expected a grid that divides the {size} pixels of target {name}, "
            f"found {grid} of {model.ref_input}"
        )


def _check_encoder(experiment: spec.Experiment) -> None:
    from mmae_jax.models.encoder import encoder_class

    encoder_class(experiment)


def _check_transfer(experiment: spec.Experiment) -> None:
    """Names on the left are this experiment's; those on the right are compared with `init_from` when it is opened."""
    inputs, transfer = experiment.inputs, experiment.transfer
    for field, names in (("inputs", transfer.inputs), ("bands", transfer.bands)):
        for name in names:
            if name not in inputs:
                raise SpecError(f"transfer.{field}: no input {shown(name)}; expected some of {choices(inputs)}")
    for name, bands in transfer.bands.items():
        for band in bands:
            if band not in inputs[name].band_names:
                known = choices(inputs[name].band_names)
                raise SpecError(f"transfer.bands.{name}: no band {shown(band)}; expected some of {known}")
    sources = (*transfer.inputs.values(), *transfer.modules.values(), *transfer.modules)
    for source in (*sources, *(band for bands in transfer.bands.values() for band in bands.values())):
        if not source:
            raise SpecError("transfer: expected names of inputs, bands and modules, found ''")


def _check_loss(loss: str) -> None:
    from mmae_jax.losses import LOSSES

    if loss not in LOSSES:
        raise SpecError(f"loss: expected one of {', '.join(LOSSES)}, found {shown(loss)}")


def _check_phase(name: str, phase: spec.Phase, experiment: spec.Experiment) -> None:
    if not phase.train_splits:
        raise SpecError(f"{name}.train_splits: expected at least one split, found none")
    check_different(f"{name}.train_splits", phase.train_splits)
    if name == "pretrain" and phase.label_fraction != 1:
        raise SpecError(f"{name}.label_fraction: expected 1, as no labels are used, found {phase.label_fraction}")
    if name != "pretrain" and not experiment.targets:
        raise SpecError(f"targets: expected at least one for phase {name}, found none")
    if phase.monitor is None:
        if phase.patience is not None:
            raise SpecError(f"{name}.patience: expected None, as there is no {name}.monitor, found {phase.patience}")
        return
    if name == "pretrain":
        raise SpecError(f"pretrain.monitor: expected None, as targets come later, found {shown(phase.monitor)}")
    # Imported where an experiment is checked: configurations are read without JAX, which tasks compute with.
    from mmae_jax import tasks

    scores = tasks.scores(experiment)
    if phase.monitor not in scores:
        raise SpecError(f"{name}.monitor: expected one of {choices(scores)}, found {shown(phase.monitor)}")


def _check_allow(experiment: spec.Experiment) -> None:
    # Imported here, as reading a contract checks it.
    from mmae_jax.contract.comparison import VALUES, check_allow

    check_allow(experiment.data.allow)
    check_different("data.allow", experiment.data.allow)
    for name in experiment.data.allow:
        part, *rest = name.split(".")
        known: Mapping[str, Any] = {
            "modalities": experiment.dataset.modalities,
            "targets": experiment.dataset.targets,
            "inputs": experiment.inputs,
            VALUES: experiment.inputs,
        }.get(part, {})
        if len(rest) == 2 and known and rest[0] not in known:
            raise SpecError(f"data.allow: expected {part} of {choices(known)}, found {shown(name)}")
        if part == VALUES and rest[1] not in known[rest[0]].band_names:
            raise SpecError(
                f"data.allow: expected bands of {rest[0]}, {choices(known[rest[0]].band_names)}, found {shown(name)}"
            )

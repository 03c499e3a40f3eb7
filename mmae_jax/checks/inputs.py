"""Whether inputs fit the sensors they read, and each other."""

from __future__ import annotations

from mmae_jax import spec
from mmae_jax.checks.names import check_names
from mmae_jax.data.crops import fixed_crops_fit
from mmae_jax.spec import SpecError
from mmae_jax.spec.error import choices, shown

MOST_TOKENS = 2**16
"""Tokens of a sample; attention between so many takes 17 GB a head in float32 where no kernel is fused."""


def check_inputs(experiment: spec.Experiment) -> None:
    """Raises a `SpecError` at the first input that contradicts its sensor or another one."""
    if not experiment.inputs:
        raise SpecError("inputs: expected at least one modality, found none")
    check_names("inputs", experiment.inputs)
    for name, model_input in experiment.inputs.items():
        _check_input(name, model_input, experiment.dataset)
        others = {group for group in (model_input.name_group, model_input.name_embed) if group is not None}
        check_names(f"inputs.{name}.name_group and name_embed", others)
    _check_shared_embeddings(experiment)
    tokens = {name: model_input.num_tokens for name, model_input in experiment.inputs.items()}
    if sum(tokens.values()) > MOST_TOKENS:
        most = max(tokens, key=lambda name: tokens[name])
        raise SpecError(
            f"inputs.{most}.image_size: expected at most {MOST_TOKENS} tokens a sample, found {sum(tokens.values())}, "
            f"{tokens[most]} of them of {most}"
        )
    _check_crops(experiment)


def _check_input(name: str, model_input: spec.Input, dataset: spec.Dataset) -> None:
    modality = model_input.stored_as or name
    if modality not in dataset.modalities:
        field = f"inputs.{name}.stored_as: {shown(modality)}" if model_input.stored_as else f"inputs.{name}"
        raise SpecError(f"{field}: no such modality in {dataset.name}; expected one of {choices(dataset.modalities)}")
    stored = dataset.modalities[modality].bands
    for band in model_input.band_names:
        if band not in stored:
            raise SpecError(
                f"inputs.{name}.bands: no band {shown(band)} in {dataset.name}; expected some of {choices(stored)}"
            )
    if (
        len(set(model_input.band_names)) != len(model_input.band_names)
        or not model_input.bands
        or not all(model_input.bands)
    ):
        raise SpecError(
            f"inputs.{name}.bands: expected non-empty groups of different bands, found {shown(model_input.bands)}"
        )
    if model_input.norm_bands is not None and sum(model_input.norm_bands) != len(model_input.band_names):
        raise SpecError(
            f"inputs.{name}.norm_bands: expected lengths that add up to {len(model_input.band_names)} bands, "
            f"found {shown(model_input.norm_bands)}"
        )
    _check_standardisation(f"inputs.{name}", model_input)
    if model_input.rescale_elev and len(model_input.band_names) != 2:
        raise SpecError(
            f"inputs.{name}.rescale_elev: expected false, as there are {len(model_input.band_names)} bands and not "
            "two elevations, found True"
        )
    if model_input.image_size % model_input.patch_size:
        raise SpecError(
            f"inputs.{name}.image_size: expected a multiple of patch_size {model_input.patch_size}, "
            f"found {model_input.image_size}"
        )


def _check_standardisation(field: str, model_input: spec.Input) -> None:
    bands, given = len(model_input.band_names), {"mean": model_input.mean, "std": model_input.std}
    if all(numbers is None for numbers in given.values()):
        return
    for part, numbers in given.items():
        if numbers is None or len(numbers) != bands:
            raise SpecError(f"{field}.{part}: expected one number for each of {bands} bands, found {shown(numbers)}")
    if model_input.norm_fac != 1:
        raise SpecError(f"{field}.norm_fac: expected 1, as std divides the values, found {model_input.norm_fac:g}")
    if model_input.rescale_elev:
        raise SpecError(f"{field}.rescale_elev: expected false, as bands are standardised one by one, found True")


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


def _check_crops(experiment: spec.Experiment) -> None:
    grid, cells = experiment.dataset.size_gcd, experiment.crop_cells
    if not fixed_crops_fit(experiment.data.repeats, grid, cells):
        raise SpecError(
            f"data.repeats: expected fixed crops of {cells} cells that end within the {grid} cells of a tile, "
            f"found {experiment.data.repeats} per side"
        )

"""Whether widths, depths, grids and masks of a model fit its inputs and targets."""

from __future__ import annotations

import math

from mmae_jax import spec
from mmae_jax.spec import SpecError
from mmae_jax.spec.error import choices, shown

LARGEST_GRID = 4096
"""Side of the largest position grid [patches]."""
LEAST_LEFT = 0.01
"""Least probability with which a token is in no masked structure: masks are drawn again until one is left."""


def check_model(experiment: spec.Experiment) -> None:
    """Raises a `SpecError` at the first field of the model or its masks that contradicts another."""
    model, architecture = experiment.model, experiment.model.architecture
    _check_widths(model, targets=bool(experiment.targets))
    if not 0 <= model.inter_depth < architecture.depth:
        raise SpecError(f"model.inter_depth: expected 0 to {architecture.depth - 1}, found {model.inter_depth}")
    if model.inter_depth and model.fusion not in ("mod", "group"):
        raise SpecError(f"model.inter_depth: expected 0 in fusion mode {model.fusion}, found {model.inter_depth}")
    if model.encoder == "mmae":  # the others have grids of their own
        _check_position_grid(model, [model_input.grid for model_input in experiment.inputs.values()])
    if model.ref_input is not None and model.ref_input not in experiment.inputs:
        raise SpecError(
            f"model.ref_input: expected one of {choices(experiment.inputs)}, found {shown(model.ref_input)}"
        )
    if "pretrain" in experiment.phases:
        check_masks(experiment)


def _check_widths(model: spec.Model, *, targets: bool) -> None:
    architecture = model.architecture
    for field in ("embed_dim", "decoder_dim"):
        width = getattr(architecture, field)
        if width % 4 or width < 16:
            raise SpecError(f"model.architecture.{field}: expected a multiple of 4, at least 16, found {width}")
    for field in ("mlp_ratio", "decoder_mlp_ratio"):
        if round(architecture.embed_dim * getattr(architecture, field)) < 1:
            raise SpecError(
                f"model.architecture.{field}: expected a hidden width of 1 or more of embed_dim "
                f"{architecture.embed_dim}, found {getattr(architecture, field)}"
            )
    if targets and model.head == "attentive" and architecture.embed_dim % 8:
        raise SpecError(
            "model.architecture.embed_dim: expected a multiple of the 8 heads of attentive pooling, "
            f"found {architecture.embed_dim}"
        )


def _check_position_grid(model: spec.Model, grids: list[int]) -> None:
    if model.grid_pos_enc is None and math.lcm(*grids) > LARGEST_GRID:
        raise SpecError(
            f"model.grid_pos_enc: expected {max(grids)} to {LARGEST_GRID}, as the least common multiple of the "
            f"inputs' grids is {math.lcm(*grids)}, found None"
        )
    if model.grid_pos_enc is not None and model.grid_pos_enc < max(grids):
        raise SpecError(
            f"model.grid_pos_enc: expected at least the largest grid {max(grids)}, found {model.grid_pos_enc}"
        )


def check_masks(experiment: spec.Experiment) -> None:
    """Raises a `SpecError` where nothing is masked, nothing is left, or masks would be drawn for ever."""
    # Imported where an experiment is checked, see `task_of`.
    from mmae_jax.models.fusion import Fusion
    from mmae_jax.models.masking import masked_count

    mask, fusion = experiment.mask, Fusion.of(experiment)
    left = math.prod(1 - probability for probability in (mask.mod, mask.bands, mask.dates, mask.loc))
    if left < LEAST_LEFT:
        raise SpecError(
            "mask: expected mod, bands, dates and loc that leave a token with a probability of "
            f"{LEAST_LEFT:g} or more, found {left:.2g}"
        )
    masked = 0
    for sequence, names in fusion.sequences.items():
        inputs = [experiment.inputs[name] for name in names]
        length = inputs[0].grid ** 2 if fusion.dates_apart else sum(one.num_tokens for one in inputs)
        dates = sum(one.tokens_per_position for one in inputs)
        count = masked_count(mask, length, dates, structured=not fusion.dates_apart)
        masked += count
        if count == length:
            raise SpecError(
                f"mask.ratio: expected at least one token of {sequence} to be left, found {mask.ratio:g} with scale "
                f"{mask.scale:g}, which masks all {length}"
            )
    if not masked:
        raise SpecError(f"mask.ratio: expected at least one masked token, found {mask.ratio:g}, which masks none")

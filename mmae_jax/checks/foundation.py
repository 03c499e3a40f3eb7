"""Whether a foundation model can be used as an experiment asks for it."""

from __future__ import annotations

from mmae_jax import spec
from mmae_jax.checks.names import check_different
from mmae_jax.spec import DEFECTS, FOUNDATION_MODELS, SpecError
from mmae_jax.spec.error import choices, shown
from mmae_jax.spec.foundation import Publication

ONE_INPUT = ("prithvi", "satmae")
"""Models of one sensor, all of whose dates are one sequence."""
COLOUR_PICTURES = ("dinov2", "dinov2_sat")
"""Models of colour pictures, of which every input has a copy."""
FEWEST_BANDS = 3
JOINT = ("croma",)
"""Models with joint blocks, whose number is their own: `model.inter_depth` says whether they are used."""


def check_foundation(experiment: spec.Experiment) -> None:
    """Raises a `SpecError` at the first field that contradicts the encoder, or is of no use to it."""
    model = experiment.model
    _check_layer_decay(experiment)
    if model.encoder not in FOUNDATION_MODELS:
        if model.foundation != spec.Foundation():
            raise SpecError(
                f"model.foundation: expected its defaults with encoder {model.encoder}, found {shown(model.foundation)}"
            )
        return
    published = FOUNDATION_MODELS[model.encoder]
    if "pretrain" in experiment.phases:
        raise SpecError(
            f"phases: expected some of probe, finetune, as {model.encoder} is pretrained already, "
            f"found {choices(experiment.phases)}"
        )
    _check_defects(model)
    _check_model(model, published)
    for name, model_input in experiment.inputs.items():
        _check_input(name, model_input, model, published)
    if model.encoder in ONE_INPUT and len(experiment.inputs) != 1:
        raise SpecError(f"inputs: expected one, as {model.encoder} sees one sensor, found {choices(experiment.inputs)}")
    _check_sensors(experiment)


def _check_layer_decay(experiment: spec.Experiment) -> None:
    for name in ("pretrain", "probe"):
        if experiment.phase(name).layer_decay is not None:
            raise SpecError(
                f"{name}.layer_decay: expected None, as only finetuning has it, "
                f"found {experiment.phase(name).layer_decay}"
            )
    model, decay = experiment.model, experiment.finetune.layer_decay
    if decay is not None and model.encoder in ONE_INPUT and model.foundation.repeats("layer_decay"):
        raise SpecError(
            f"finetune.layer_decay: expected None, as published for {model.encoder}, or layer_decay among "
            f"model.foundation.repaired, found {decay}"
        )


def _check_defects(model: spec.Model) -> None:
    repaired = model.foundation.repaired
    check_different("model.foundation.repaired", repaired)
    for defect in repaired:
        if defect not in DEFECTS:
            raise SpecError(f"model.foundation.repaired: expected some of {', '.join(DEFECTS)}, found {shown(defect)}")
    if repaired and model.foundation.mode != "published":
        raise SpecError(
            f"model.foundation.repaired: expected none in mode {model.foundation.mode}, which repeats no defects, "
            f"found {choices(repaired)}"
        )


def _check_model(model: spec.Model, published: Publication) -> None:
    if model.fusion not in published.fusions:
        expected = " or ".join(published.fusions)
        raise SpecError(f"model.fusion: expected {expected} with encoder {model.encoder}, found {model.fusion}")
    if model.inter_depth and model.encoder not in JOINT:
        raise SpecError(f"model.inter_depth: expected 0 with encoder {model.encoder}, found {model.inter_depth}")
    width = model.architecture.embed_dim
    if width % published.multiple:
        raise SpecError(
            f"model.architecture.embed_dim: expected a multiple of {published.multiple} with encoder {model.encoder}, "
            f"found {width}"
        )


def _check_input(name: str, model_input: spec.Input, model: spec.Model, published: Publication) -> None:
    if model_input.patch_size != published.patch_size:
        raise SpecError(
            f"inputs.{name}.patch_size: expected {published.patch_size}, that of {model.encoder}, "
            f"found {model_input.patch_size}"
        )
    if len(model_input.bands) != 1:
        raise SpecError(
            f"inputs.{name}.bands: expected one group with encoder {model.encoder}, found {len(model_input.bands)}"
        )
    if model_input.name_embed is not None:
        raise SpecError(
            f"inputs.{name}.name_embed: expected None, as every input has its own embedding with encoder "
            f"{model.encoder}, found {shown(model_input.name_embed)}"
        )
    bands = len(model_input.band_names)
    if model.encoder in COLOUR_PICTURES and bands < FEWEST_BANDS and model.foundation.repeats("few_bands"):
        raise SpecError(
            f"inputs.{name}.bands: expected {FEWEST_BANDS} or more in mode published, which cannot take fewer, or "
            f"few_bands among model.foundation.repaired, found {bands}"
        )


def _check_sensors(experiment: spec.Experiment) -> None:
    # Imported where an experiment is checked: configurations are read without JAX, which encoders compute with.
    from mmae_jax.baselines.base import FoundationEncoder
    from mmae_jax.models.encoder import encoder_class

    encoder = encoder_class(experiment)
    assert issubclass(encoder, FoundationEncoder), "all that are published are"
    encoder.check(experiment)

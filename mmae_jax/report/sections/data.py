"""What was trained on what: sensors, targets and splits, as the contract has them."""

from __future__ import annotations

from mmae_jax.report.html import Absent, Html, joined, paragraph, table, tag
from mmae_jax.report.look import Look
from mmae_jax.report.workdir import Run
from mmae_jax.spec import Experiment, Input


def content(run: Run, look: Look) -> Html:
    """Returns tables of inputs, targets and splits."""
    experiment = run.experiment
    dataset, crop = experiment.dataset, experiment.data.crop_meters
    size = f"Tiles are {dataset.tile_meters:g} m wide"
    size += "." if crop is None else f"; the model sees squares of {crop:g} m."
    parts = [paragraph(tag("b", dataset.name), f", version {dataset.version}. {size}"), _inputs(experiment)]
    if dataset.targets:
        parts.append(_targets(experiment))
    parts.append(_splits(run))
    return joined(parts)


def _inputs(experiment: Experiment) -> Html:
    head = ("input", "bands", "unit", "m / pixel", "dates", "image", "patch", "tokens", "values", "encoded with")
    return table(head, (_input(experiment, name, one) for name, one in experiment.inputs.items()), "Inputs")


def _input(experiment: Experiment, name: str, one: Input) -> tuple[object, ...]:
    modality, stored = experiment.modality(name), experiment.modality_name(name)
    values = ["ln"] if one.log_scale else []
    values += [f"÷ {one.norm_fac:g}"] if one.norm_fac != 1 else []
    values += ["standardised"] if one.mean is not None else []
    values += ["height above ground"] if one.rescale_elev else []
    groups = " | ".join(" ".join(group) for group in one.bands)
    called = name if stored == name else f"{name} (of {stored})"
    return (
        called,
        groups,
        modality.unit,
        modality.ground_sample_distance,
        one.num_dates,
        f"{one.image_size}²",
        f"{one.patch_size}²",
        one.num_tokens,
        ", ".join(values) or "as stored",
        one.name_group or "–",
    )


def _targets(experiment: Experiment) -> Html:
    rows = [
        (
            name,
            target.kind,
            f"{target.size}² pixels" if target.is_raster else "tile",
            target.num_classes or None,
            ", ".join(target.classes) or target.field,
            "yes" if name in experiment.targets else "no",
        )
        for name, target in experiment.dataset.targets.items()
    ]
    return table(("target", "kind", "of each", "classes", "names", "learnt"), rows, "Targets")


def _splits(run: Run) -> Html:
    try:
        shards = run.shards()
    except Absent as absent:
        return paragraph(tag("span", f"Tiles of each split: {absent}", class_="note"))
    rows = [(split, shards.num_tiles((split,))) for split in shards.files]
    return table(("split", "tiles"), rows, f"Shards in {shards.directory}")

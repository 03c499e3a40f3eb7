"""What a foundation model cannot do is said before the first step, by the field that asks for it."""

import dataclasses

import pytest

from configs import foundation_models
from mmae_jax import config, spec
from mmae_jax.spec import SpecError

# Argument of configs/foundation_models.py, dotted field, value, and what the message says.
REFUSED = [
    ("dinov2", "phases", ["pretrain"], r"phases: expected some of probe, finetune, as dinov2 is pretrained"),
    ("dinov2", "model.fusion", "group", r"model\.fusion: expected shared or monotemp with encoder dinov2, found group"),
    ("satmae", "model.fusion", "shared", r"model\.fusion: expected mod with encoder satmae, found shared"),
    ("satmae", "model.inter_depth", 2, r"model\.inter_depth: expected 0 with encoder satmae, found 2"),
    ("dinov2", "inputs.s2.patch_size", 7, r"inputs\.s2\.patch_size: expected 14, that of dinov2, found 7"),
    ("dinov2", "inputs.aerial.bands", [["R"], ["G", "B", "NIR"]], r"inputs\.aerial\.bands: expected one group"),
    ("dinov2", "inputs.s1_asc.name_embed", "s1", r"inputs\.s1_asc\.name_embed: expected None"),
    ("dinov2", "model.encoder", "dino", r"model\.encoder: expected one of mmae, dinov2, .*found 'dino'"),
    ("dinov2", "model.foundation.mode", "exact", r"model\.foundation\.mode: expected one of pretrained, published"),
    ("dinov2", "model.foundation.repaired", ["band_order"], r"model\.foundation\.repaired: expected none in mode"),
    ("dinov2", "probe.layer_decay", 0.5, r"probe\.layer_decay: expected None, as only finetuning has it, found 0\.5"),
    ("dinov2", "finetune.layer_decay", 0.0, r"finetune\.layer_decay: expected a number from 0\.01 to 1, found 0"),
    ("dinov2,published", "model.foundation.repaired", ["bands"], r"repaired: expected some of few_bands, .*'bands'"),
    ("satmae,published", "finetune.layer_decay", 0.5, r"finetune\.layer_decay: expected None, as published for satmae"),
    ("dinov2", "model.encoder", "mmae", r"model\.foundation: expected its defaults with encoder mmae"),
]


def changed(argument, field, value):
    fields = config.to_plain(foundation_models.get_config(f"{argument},treesatai_ts"))
    *above, last = field.split(".")
    at = fields
    for part in above:
        at = at.setdefault(part, {})
    at[last] = value
    if value == "mmae":
        fields["model"]["foundation"] = {"freeze": True}
    return fields


@pytest.mark.parametrize(("argument", "field", "value", "message"), REFUSED)
def test_the_field_is_named(argument, field, value, message):
    with pytest.raises(SpecError, match=message):
        config.experiment_from_config(changed(argument, field, value))


def test_fewer_bands_than_three_are_refused_as_published_unless_that_is_repaired():
    fields = changed("dinov2", "model.foundation", {"mode": "published"})
    with pytest.raises(SpecError, match=r"inputs\.s1_asc\.bands: expected 3 or more in mode published"):
        config.experiment_from_config(fields)
    fields["model"]["foundation"]["repaired"] = ["few_bands"]
    assert config.experiment_from_config(fields).inputs.keys() == {"aerial", "s2", "s1_asc", "s1_des"}


def test_published_without_few_bands_is_the_config_that_says_so():
    found = config.experiment_from_config(foundation_models.get_config("dinov2,treesatai_ts,published"))
    assert found.inputs.keys() == {"aerial", "s2"}
    assert found.model.foundation == spec.Foundation(mode="published")


def test_satmae_sees_one_sensor():
    found = config.experiment_from_config(foundation_models.get_config("satmae,treesatai_ts"))
    two = dataclasses.replace(found, inputs=found.inputs | {"s2_again": found.inputs["s2"]})
    two = config.to_plain(two)
    two["inputs"]["s2_again"]["stored_as"] = "s2"
    with pytest.raises(SpecError, match=r"inputs: expected one, as satmae sees one sensor, found s2, s2_again"):
        config.experiment_from_config(two)


@pytest.mark.parametrize("encoder", spec.FOUNDATION_MODELS)
@pytest.mark.parametrize("options", ["", ",published", ",runlocal"])
def test_every_model_can_be_used_on_every_dataset_with_its_sensors(encoder, options):
    for dataset in foundation_models.DATASETS:
        if dataset == "pureforest" and "s2" in foundation_models.SENSORS.get(encoder, ()) and encoder != "dofa":
            continue  # aerial images alone
        found = config.experiment_from_config(foundation_models.get_config(f"{encoder},{dataset}{options}"))
        assert found.model.encoder == encoder
        assert found.inputs


def test_croma_pairs_images_of_its_sixteen_heads():
    found = config.experiment_from_config(foundation_models.get_config("croma,treesatai_ts,published"))
    assert (found.model.inter_depth, found.model.architecture.heads) == (6, 16)
    assert found.inputs["s2"].num_dates == found.inputs["s1_asc"].num_dates + found.inputs["s1_des"].num_dates

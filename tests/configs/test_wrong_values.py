"""Whatever is wrong in a configuration is one line that names a field, before anything is compiled or written."""

import random
import re

import pytest

from mmae_jax.command_line.overrides import Override, overridden
from mmae_jax.config import experiment_from_config, to_plain
from mmae_jax.spec import SpecError
from tests import experiments
from tests.configs.wrong_values import Change, changed, changes, texts

LINE = re.compile(r"(--config\.)?[A-Za-z][\w.]*(\[\d+\])*( and name_embed)?: .*(expected|no such field|missing).*")
PLAIN = to_plain(experiments.experiment())
LONGEST, TRIED = 200, 5000


def tried():
    """The fields with each change, as a config file has them, and as a command line does."""
    plain = to_plain(experiments.experiment(("s2",)))
    for change in changes(plain):
        yield lambda change=change: changed(plain, change)
        text = texts(change)
        if text is not None:
            override = Override(".".join(change.path), text)
            yield lambda override=override: overridden(plain, [override])


def test_a_wrong_value_of_any_field_is_one_line_that_names_it():
    messages = []
    for fields in random.Random(0).sample(list(tried()), TRIED):
        try:
            experiment = experiment_from_config(fields())
        except SpecError as error:
            messages.append(str(error))
        else:  # what is stored with a run is what was accepted
            assert hash(experiment_from_config(to_plain(experiment))) == hash(experiment)
    assert len(messages) > 0.8 * TRIED
    assert not [message for message in messages if not LINE.fullmatch(message) or len(message) > LONGEST]


# Fields that contradict each other, and what the message says.
CONTRADICTIONS = [
    ({"data.allow": ["nonsense"]}, "data.allow: expected fields that are compared"),
    ({"data.allow": ["modalities.s9.scale"]}, "data.allow: expected modalities of aerial, s2, s1_asc, s1_des, found"),
    ({"data.allow": ["values.s2.b99"]}, "data.allow: expected bands of s2, b2, b3, b11, found 'values.s2.b99'"),
    ({"dataset.targets.cover.threshold": 0.5}, "dataset.targets.cover.threshold: expected 0 of a segment target"),
    ({"dataset.targets.cover.colours": ["#ffffff", "white"]}, "dataset.targets.cover.colours: expected colours like #"),
    ({"dataset.targets.trees.classes": ["oak", "oak"]}, "dataset.targets.trees.classes: expected different values"),
    ({"dataset.modalities.s2.value_range": [1, 0]}, "dataset.modalities.s2.value_range: expected the smallest and the"),
    ({"dataset.modalities.s2.typical_means": [1]}, "dataset.modalities.s2.typical_means: expected one for each of 3"),
    ({"dataset.blocks": 3}, "dataset.modalities.aerial.size: expected a multiple of the 3 blocks"),
    ({"phases": []}, "phases: expected one or more of pretrain, probe, finetune, each once, in this order, found none"),
    ({"pretrain.base_lr": -1.0}, "pretrain.base_lr: expected a positive number, 1e-12 to 1, found -1.0"),
    ({"pretrain.base_lr": float("nan")}, "pretrain.base_lr: expected a positive number, 1e-12 to 1, found nan"),
    ({"pretrain.monitor": "trees/average_f1"}, "pretrain.monitor: expected None, as targets come later"),
    ({"finetune.patience": 3}, "finetune.patience: expected None, as there is no finetune.monitor, found 3"),
    ({"pretrain.label_fraction": 0.5}, "pretrain.label_fraction: expected 1, as no labels are used, found 0.5"),
    ({"probe.label_fraction": 0.0}, "probe.label_fraction: expected a share from 1e-6 to 1, found 0.0"),
    ({"finetune.train_splits": ["train", "train"]}, "finetune.train_splits: expected different values, found 'train'"),
    ({"targets": ["trees", "trees"]}, "targets: expected different values, found 'trees' twice"),
    ({"mask.ratio": 0.001}, "mask.ratio: expected at least one masked token, found 0.001, which masks none"),
    ({"mask.ratio": 0.99}, "mask.ratio: expected at least one token of aerial to be left, found 0.99 with scale 0"),
    ({"mask.mod": 0.95, "mask.loc": 0.95}, "mask: expected mod, bands, dates and loc that leave a token"),
    ({"model.grid_pos_enc": None, "inputs.s2.image_size": 2 * 4099}, "inputs.s2.image_size: expected at most 65536"),
    ({"inputs.s2.rescale_elev": True}, "inputs.s2.rescale_elev: expected false, as there are 3 bands"),
    ({"inputs.s2.norm_bands": []}, "inputs.s2.norm_bands: expected lengths that add up to 3 bands, found ()"),
    ({"inputs.s2.mean": [1, 2, 3]}, "inputs.s2.std: expected one number for each of 3 bands, found None"),
    (
        {"inputs.s2.mean": [1, 2], "inputs.s2.std": [1, 2, 3]},
        "inputs.s2.mean: expected one number for each of 3 bands, found (1.0, 2.0)",
    ),
    (
        {"inputs.s2.mean": [1, 2, 3], "inputs.s2.std": [1, 2, 3], "inputs.s2.norm_fac": 5},
        "inputs.s2.norm_fac: expected 1, as std divides the values, found 5",
    ),
    (
        {"data.crop_meters": 4.0, "data.repeats": 8},
        "data.repeats: expected fixed crops of 4 cells that end within",
    ),
    ({"inputs.s2.name_group": "a.b"}, "inputs.s2.name_group and name_embed: expected names of letters, digits"),
]


@pytest.mark.parametrize(("fields", "message"), CONTRADICTIONS, ids=[message[:40] for _, message in CONTRADICTIONS])
def test_a_contradiction_is_one_line_that_names_the_field(fields, message):
    plain = PLAIN
    for name, value in fields.items():
        plain = changed(plain, Change(tuple(name.split(".")), value))
    with pytest.raises(SpecError) as error:
        experiment_from_config(plain)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)

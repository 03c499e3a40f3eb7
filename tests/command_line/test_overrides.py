"""Every field of the specification has a meaning, and is overridden by name."""

import json
import typing
from pathlib import Path

import pytest

from mmae_jax import config, fields, spec
from mmae_jax.command_line.config_file import load_fields
from mmae_jax.command_line.overrides import Override
from mmae_jax.command_line.parser import split_overrides
from mmae_jax.command_line.program import main
from mmae_jax.exit_codes import UsageError

ROOT = Path(__file__).parents[2]
CONFIG = f"{ROOT / 'configs' / 'flair_hub.py'}:runlocal"
CLASSES = (
    spec.Modality,
    spec.Target,
    spec.Dataset,
    spec.Input,
    spec.Architecture,
    spec.Model,
    spec.Mask,
    spec.Phase,
    spec.Data,
    spec.Mesh,
    spec.Logging,
    spec.Experiment,
)


def resolved(*arguments: str) -> spec.Experiment:
    overrides, others = split_overrides(arguments)
    assert not others
    return config.from_plain(spec.Experiment, _architecture(load_fields(CONFIG, overrides)), "")


def _architecture(plain: dict) -> dict:
    if isinstance(plain["model"]["architecture"], str):
        plain["model"]["architecture"] = config.to_plain(spec.ARCHITECTURES[plain["model"]["architecture"]])
    return plain


def other(value: object, kind: object) -> tuple[str, object]:
    """Returns a text and the value it should give: another one of the type of a field."""
    if typing.get_origin(kind) is typing.Literal:
        found = next(choice for choice in typing.get_args(kind) if choice != value)
        return found, found
    if value is None:
        kind = next(argument for argument in typing.get_args(kind) if argument is not type(None))
        value = {int: 1, float: 1.5, str: "x"}.get(kind, ())
        if isinstance(value, tuple):
            item = typing.get_args(kind)[0]("7")
            return repr((item,)), (item,)
    if isinstance(value, bool):
        return str(not value).lower(), not value
    if isinstance(value, tuple):
        changed = value[:-1] if value else ("x",) if typing.get_args(kind)[0] is str else (3,)
        return repr(changed), changed
    if isinstance(value, dict):
        changed = {"s2": {"B02": "B03"}} if typing.get_args(kind)[1] is not str else {"s2": "s1_asc"}
        return repr(changed), changed
    changed = f"{value}_other" if isinstance(value, str) else value + 1
    return str(changed), changed


def kind_of(name: str) -> object:
    kind = spec.Experiment
    for part in name.split("."):
        kind = typing.get_args(kind)[1] if typing.get_origin(kind) else typing.get_type_hints(kind)[part]
    return kind


def test_every_field_is_overridden_by_name():
    before = resolved()
    named = list(fields.walk(before))
    assert len(named) > 200
    texts = {field.name: other(field.value, kind_of(field.name)) for field in named}
    after = resolved(*(f"--config.{name}={text}" for name, (text, _) in texts.items()))
    found = {field.name: field.value for field in fields.walk(after)}
    assert found == {name: value for name, (_, value) in texts.items()}


def test_what_may_be_none_is_set_back_to_none():
    experiment = resolved("--config.finetune.monitor=None", "--config.inputs.aerial.norm_bands=none")
    assert experiment.finetune.monitor is None
    assert experiment.inputs["aerial"].norm_bands is None


@pytest.mark.parametrize(
    "arguments",
    [
        ["--config.phases=finetune"],
        ["--config.phases=('finetune',)"],
        ["--config.phases", "finetune"],
        ["--config.phases=[]", "--config.phases=finetune"],
    ],
)
def test_a_list_is_written_in_several_ways(arguments):
    assert resolved(*arguments).phases == ("finetune",)


def test_an_architecture_is_a_name_and_single_fields():
    small = spec.ARCHITECTURES["small"]
    experiment = resolved("--config.model.architecture.depth=5", "--config.model.architecture=small")
    assert (experiment.model.architecture.depth, experiment.model.architecture.heads) == (5, small.heads)


def test_switches_need_no_value():
    assert not resolved("--noconfig.ema").ema
    assert resolved("--noconfig.ema", "--config.ema").ema


@pytest.mark.parametrize("kind", CLASSES)
def test_every_field_says_what_it_means(kind):
    for name, meaning in fields.meanings(kind).items():
        assert len(meaning.text) > 5, name


def test_units_are_told_from_texts():
    found = fields.meanings(spec.Logging)
    assert found["checkpoint_every_minutes"].unit == "minutes"
    assert found["peak_tflops"].unit == "TFLOP/s"
    assert found["images"] == fields.Meaning("samples shown in reconstruction figures", "", 4)


def test_a_line_tells_value_meaning_unit_and_default(capsys):
    assert main(["config", CONFIG, "--config.finetune.patience=7"]) == 0
    lines = {line[2:].split()[0]: line for line in capsys.readouterr().out.splitlines() if line}
    assert lines["finetune.patience"].startswith("* finetune.patience ")
    assert lines["finetune.patience"].split()[2] == "7"
    assert lines["finetune.patience"].endswith(" [epochs] (default None)")
    assert lines["pretrain.weight_decay"].startswith("  ")
    assert lines["pretrain.epochs"].endswith(" [epochs] (required)")


def test_values_are_printed_as_json(capsys):
    assert main(["config", f"--config={CONFIG}", "--json"]) == 0
    assert config.experiment_from_config(json.loads(capsys.readouterr().out)) == resolved()


def test_one_file_is_printed(capsys):
    assert main(["config"]) == 2
    assert main(["config", CONFIG, f"--config={CONFIG}"]) == 2
    assert capsys.readouterr().err == 2 * "error: expected one config file: python -m mmae_jax config FILE\n"


def test_the_field_that_was_probably_meant_is_named():
    with pytest.raises(UsageError, match=r"weight_dacay: no such field; .*; did you mean weight_decay\?"):
        load_fields(CONFIG, [Override("pretrain.weight_dacay", "1")])

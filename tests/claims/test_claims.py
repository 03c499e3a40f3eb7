"""Each claim can be asked: of its landscapes, and of sensors that it is about."""

import importlib
from pathlib import Path

import pytest

from mmae_jax.claims.claim import names, open_claim
from mmae_jax.claims.table import Base, runs
from mmae_jax.command_line.config_file import load_experiment
from mmae_jax.command_line.overrides import Override
from mmae_jax.command_line.parser import split_overrides
from mmae_jax.config import to_plain
from mmae_jax.exit_codes import UsageError
from mmae_jax.spec import SpecError

LANDSCAPES = [(name, data) for name in names() for data in open_claim(name).landscapes]


def check(claim, config, fields, phases):
    """Every run of a claim is an experiment that can be trained."""
    base = Base(config, fields, [Path("shards")], 1, phases, Path("cache"))
    table = runs(claim, base, Path("out"))
    assert {run.arm for run in table} == set(claim.arms)
    for run in table:
        overrides, (option,) = split_overrides(run.arguments)
        experiment = load_experiment(option.removeprefix("--config="), overrides)
        assert experiment.phases[-1] == run.phase
        assert (run.after is None) == (experiment.init_from is None)


@pytest.mark.parametrize(("name", "data"), LANDSCAPES)
def test_every_run_on_a_landscape_can_be_trained(name, data):
    claim = open_claim(name)
    landscape = claim.landscapes[data]
    check(claim.only(landscape.verdicts), landscape.config, landscape.fields, ("finetune",))


@pytest.mark.parametrize("name", names())
def test_a_claim_is_set_to_be_true_and_to_be_untrue(name):
    claim = open_claim(name)
    verdicts = [verdict for landscape in claim.landscapes.values() for verdict in landscape.verdicts.values()]
    assert set(verdicts) == {True, False}


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("config", ["treesatai_ts", "flair_hub", "pastis_hd"])
def test_a_claim_can_be_asked_of_other_sensors(name, config):
    fields = to_plain(importlib.import_module(f"configs.{config}").get_config())
    claim = open_claim(name, fields["inputs"])
    assert claim.comparisons
    # the folder of shards is the test's own affair
    check(claim, f"configs/{config}.py", {}, fields["phases"])


def test_a_claim_about_groups_of_bands_needs_them():
    fields = to_plain(importlib.import_module("configs.trial_fields").get_config("s2"))
    del fields["inputs"]["s2"]["norm_bands"]
    for name in ("norm_groups", "separate_tokens"):
        with pytest.raises(SpecError, match=f"{name}: expected an input with"):
            open_claim(name, fields["inputs"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "expected a function get_claim"),
        ("def get_claim(inputs=None):\n    return dict(question='?')", r"missing, expected Claim\."),
        ("def get_claim(inputs=None):\n    return 1 / 0", "line 2: ZeroDivisionError"),
        ("def get_claim(:", "line 1"),
        (
            "def get_claim(inputs=None):\n    return dict(question='', published='', arms={'a': {'fields': {}}}, "
            "comparisons={'c': dict(says='', better='a', worse='b')}, landscapes={})",
            r"comparisons\.c\.worse: expected one of a, found 'b'",
        ),
    ],
)
def test_what_is_wrong_with_a_claim_of_ones_own_is_said(tmp_path, text, message):
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(SpecError, match=message):
        open_claim(str(file))


def test_an_unknown_claim_is_a_mistake_that_names_those_there_are():
    with pytest.raises(UsageError, match="temporal_fusion"):
        open_claim("temporal_fusio")


def test_overrides_reach_every_run():
    claim = open_claim("temporal_fusion")
    base = Base(
        "configs/trial_fields.py:s2", {"finetune.epochs": "3"}, [Path("a"), Path("b")], 2, ("finetune",), Path("c")
    )
    table = runs(claim, base, Path("out"))
    assert len(table) == len(claim.arms) * 4
    assert all(Override("finetune.epochs", "3") in split_overrides(run.arguments)[0] for run in table)
    assert len({run.folder for run in table}) == len(table)
    seeds = {
        (run.fold, run.seed): next(one.value for one in split_overrides(run.arguments)[0] if one.field == "seed")
        for run in table
    }
    assert len(set(seeds.values())) == 4  # no two folds draw alike

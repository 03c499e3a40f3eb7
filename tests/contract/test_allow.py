"""Differences between contracts that are accepted knowingly (`data.allow`)."""

import dataclasses

import pytest
from immutabledict import immutabledict

from configs import treesatai_ts
from data_prep.datasets.treesatai_ts.contract import CONTRACT
from mmae_jax import config, contract, spec
from mmae_jax.command_line.config_file import load_experiment
from mmae_jax.command_line.parser import split_overrides
from mmae_jax.weights import folder


@pytest.fixture(autouse=True)
def warn_again():
    contract.warn_once.cache_clear()


def changed(**fields):
    s2 = dataclasses.replace(CONTRACT.modalities["s2"], **fields)
    return dataclasses.replace(CONTRACT, modalities=CONTRACT.modalities | {"s2": s2})


def test_an_allowed_field_may_differ_and_is_warned_of_once(caplog):
    for _ in range(3):
        contract.check_contract(CONTRACT, changed(scale=1.0), "folder", ("modalities.s2.scale",))
    expected = "folder: accepted by data.allow: modalities.s2.scale: expected 0.0001, found 1.0"
    assert [record.getMessage() for record in caplog.records] == [expected]


def test_the_other_fields_stop_with_both_values():
    with pytest.raises(contract.ContractError) as error:
        contract.check_contract(CONTRACT, changed(scale=1.0, unit="radiance"), "folder", ("modalities.s2.scale",))
    assert "modalities.s2.unit: expected 'surface reflectance', found 'radiance'" in str(error.value)
    assert "scale" not in str(error.value)


def test_a_name_allows_no_field_that_begins_with_it():
    with pytest.raises(contract.ContractError, match=r"modalities\.s2\.scale"):
        contract.check_contract(CONTRACT, changed(scale=1.0), "folder", ("modalities.s2",))


@pytest.mark.parametrize(
    "name",
    [
        "modalities.s2.scales",
        "modalities",
        "versions",
        "values.s2",
        "values.s2.",
        "s2.scale",
        "version.x",
        "",
        "model",
        "model.width",
    ],
)
def test_a_name_that_can_be_no_field_is_refused(name):
    with pytest.raises(spec.SpecError, match=r"data\.allow: expected fields that are compared"):
        contract.check_contract(CONTRACT, CONTRACT, "folder", (name,))


@pytest.mark.parametrize("name", ["inputs.s2.norm_fac", "inputs.s2", "model.date_encoding", "model.architecture.heads"])
def test_fields_of_inputs_and_model_are_names_too(name):
    contract.check_contract(CONTRACT, CONTRACT, "folder", (name,))


def test_a_modality_or_target_that_one_side_lacks_is_allowed_by_its_name():
    modalities = {name: modality for name, modality in CONTRACT.modalities.items() if name != "s1_des"}
    fewer = dataclasses.replace(CONTRACT, modalities=immutabledict(modalities))
    contract.check_contract(fewer, CONTRACT, "folder", ("modalities.s1_des",))
    with pytest.raises(contract.ContractError, match=r"modalities\.s1_des: expected 'nothing'"):
        contract.check_contract(fewer, CONTRACT, "folder")


def test_checkpoints_of_another_contract_are_used_only_where_it_is_allowed(monkeypatch):
    began = config.experiment_from_config(treesatai_ts.get_config("runlocal"))
    monkeypatch.setattr(folder, "open_experiment", lambda _: began)
    other = dataclasses.replace(began, dataset=changed(scale=1.0))
    with pytest.raises(folder.CheckpointError, match=r"dataset\.modalities\.s2\.scale: expected 1.0, found 0.0001"):
        folder.check_same_experiment("folder", other, "pretrain", trains=True)
    data = dataclasses.replace(began.data, allow=("modalities.s2.scale",))
    folder.check_same_experiment("folder", dataclasses.replace(other, data=data), "pretrain", trains=True)


@pytest.mark.parametrize("text", ["('modalities.s2.scale', 'values.s2.B04')", "modalities.s2.scale,values.s2.B04"])
def test_the_command_line_sets_it(text):
    overrides, _ = split_overrides([f"--config.data.allow={text}"])
    experiment = load_experiment(f"{treesatai_ts.__file__}:runlocal", overrides)
    assert experiment.data.allow == ("modalities.s2.scale", "values.s2.B04")

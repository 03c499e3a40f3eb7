"""Data whose sensor contract differs from the model's are refused wherever they meet."""

import dataclasses
import json
import shutil

import jax
import pytest
from immutabledict import immutabledict
from safetensors.numpy import save_file

from data_prep.datasets.treesatai_ts.contract import CONTRACT
from mmae_jax import config, contract
from mmae_jax.contract import ContractError, check_contract, differences, in_use, read_contract, write_contract
from mmae_jax.weights.export import export, state_dict
from mmae_jax.weights.source import load_initial
from tests import runs

# Field by its path, what is written there, and the line that names it.
CHANGES = {
    "band order": (
        ("modalities", "s1_asc", "bands"),
        ["VH", "VV"],
        "modalities.s1_asc.bands: expected ['VV', 'VH'], found ['VH', 'VV']",
    ),
    "dtype": (("modalities", "s2", "dtype"), "int16", "modalities.s2.dtype: expected 'uint16', found 'int16'"),
    "unit": (
        ("modalities", "s2", "unit"),
        "reflectance",
        "modalities.s2.unit: expected 'surface reflectance', found",
    ),
    "scale": (("modalities", "s2", "scale"), 1.0, "modalities.s2.scale: expected 0.0001, found 1.0"),
    "nodata": (("modalities", "s2", "nodata"), 0.0, "modalities.s2.nodata: expected None, found 0.0"),
    "resolution": (
        ("modalities", "s2", "ground_sample_distance"),
        20.0,
        "modalities.s2.ground_sample_distance: expected 10.0, found 20.0",
    ),
    "date convention": (
        ("modalities", "s2", "date_convention"),
        "local time",
        "modalities.s2.date_convention: expected 'UTC",
    ),
    "class name": (
        ("targets", "treesat_mlc_thresh", "classes", 0),
        "Oak",
        "targets.treesat_mlc_thresh.classes: expected",
    ),
    "threshold": (
        ("targets", "treesat_mlc_thresh", "threshold"),
        0.5,
        "targets.treesat_mlc_thresh.threshold: expected 0.07, found 0.5",
    ),
}


@pytest.fixture
def shards(synthetic_shards, tmp_path):
    """A copy of the shards, to be changed."""
    return shutil.copytree(synthetic_shards, tmp_path / "shards")


def change(file, path, value):
    plain = json.loads(file.read_text())
    at = plain
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    file.write_text(json.dumps(plain))


@pytest.mark.parametrize("name", CHANGES)
def test_training_refuses_shards_of_another_contract(shards, tmp_path, name):
    path, value, line = CHANGES[name]
    change(shards / contract.CONTRACT_FILE, path, value)
    message = runs.main(tmp_path / "run", f"--config.data.dir={shards}")
    assert message.startswith(f"error: {shards}: the sensor contract differs from the model's")
    assert line in message
    assert not (tmp_path / "run").exists()


def test_training_refuses_shards_without_contract(shards, tmp_path):
    (shards / contract.CONTRACT_FILE).unlink()
    message = runs.main(tmp_path / "run", f"--config.data.dir={shards}")
    assert message.startswith(f"error: {shards / contract.CONTRACT_FILE}: not found; shards without a sensor contract")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("modalities", "s2", "colour"), "red", r"modalities\.s2\.colour: no such field"),
        (("modalities", "s2", "size"), "six", r"modalities\.s2\.size: expected int, found 'six'"),
    ],
)
def test_contract_that_cannot_be_understood_is_refused_by_field(shards, path, value, message):
    change(shards / contract.CONTRACT_FILE, path, value)
    with pytest.raises(ContractError, match=message):
        read_contract(shards)


def test_torn_contract_is_refused(shards):
    file = shards / contract.CONTRACT_FILE
    file.write_text(file.read_text()[:100])
    with pytest.raises(ContractError, match="not valid JSON"):
        read_contract(shards)


def test_contract_on_disk_is_the_contract(tmp_path):
    write_contract(CONTRACT, tmp_path)
    assert read_contract(tmp_path) == CONTRACT
    check_contract(CONTRACT, read_contract(tmp_path), "here")


def test_what_an_experiment_does_not_use_contradicts_nothing(tiny_experiment):
    aerial = dataclasses.replace(CONTRACT.modalities["aerial"], unit="radiance", size=200)
    other = dataclasses.replace(
        CONTRACT, name="another", version="9", modalities=CONTRACT.modalities | {"aerial": aerial}
    )
    assert in_use(other, tiny_experiment) == in_use(CONTRACT, tiny_experiment)
    fewer = immutabledict({name: CONTRACT.modalities[name] for name in tiny_experiment.inputs})
    assert in_use(dataclasses.replace(CONTRACT, modalities=fewer), tiny_experiment) == in_use(CONTRACT, tiny_experiment)


def test_what_an_experiment_uses_must_be_there(tiny_experiment):
    s1 = dataclasses.replace(CONTRACT, modalities=immutabledict(s1_asc=CONTRACT.modalities["s1_asc"]))
    lines = differences(*(config.to_plain(in_use(stored, tiny_experiment)) for stored in (CONTRACT, s1)))
    assert [line.split(":")[0] for line in lines] == ["modalities.s2"]


def test_absent_and_additional_modalities_are_differences():
    s2 = immutabledict(s2=CONTRACT.modalities["s2"])
    lines = differences({"a": 1, "b": {"c": 2}}, {"b": {"c": 2}, "d": 3})
    assert lines == ["a: expected 1, found 'nothing'", "d: expected 'nothing', found 3"]
    with pytest.raises(ContractError, match=r"modalities\.aerial: expected"):
        check_contract(CONTRACT, dataclasses.replace(CONTRACT, modalities=s2), "here")


def other_scale(experiment):
    s2 = dataclasses.replace(experiment.dataset.modalities["s2"], scale=1.0)
    dataset = dataclasses.replace(experiment.dataset, modalities=experiment.dataset.modalities | {"s2": s2})
    return dataclasses.replace(experiment, dataset=dataset)


@pytest.mark.parametrize("kind", ["workdir", "safetensors"])
def test_weights_of_another_contract_are_refused(tiny_experiment, finished_run, tmp_path, kind):
    source = finished_run
    if kind == "safetensors":
        source = tmp_path / "weights.safetensors"
        export(finished_run, source)
    started = dataclasses.replace(other_scale(tiny_experiment), init_from=str(source))
    with pytest.raises(ContractError, match=r"modalities\.s2\.scale: expected 1.0, found 0.0001") as error:
        load_initial(started, runs.one_device())
    assert str(source) in str(error.value)


def test_continuing_with_another_contract_is_refused(tiny_experiment, finished_run, tmp_path):
    workdir = shutil.copytree(finished_run, tmp_path / "run")
    other = other_scale(tiny_experiment)
    shards = shutil.copytree(tiny_experiment.data.dir, tmp_path / "shards")
    write_contract(other.dataset, shards)
    other = dataclasses.replace(other, data=dataclasses.replace(other.data, dir=str(shards)))
    with pytest.raises(ValueError, match=r"dataset\.modalities\.s2\.scale: expected 1.0, found 0.0001"):
        runs.run(other, workdir)


def test_weights_without_contract_are_taken_at_their_word(tiny_experiment, finished_run, tmp_path):
    tensors, _ = state_dict(finished_run)
    save_file(tensors, tmp_path / "bare.safetensors")
    started = dataclasses.replace(tiny_experiment, init_from=str(tmp_path / "bare.safetensors"))
    assert jax.tree.leaves(load_initial(started, runs.one_device()).params)


@pytest.mark.parametrize("workers", [0, 1])
def test_damaged_record_stops_training_by_file_and_record(scripted, shards, tmp_path, workers):
    (damaged,) = shards.glob("*train*00001-of*")
    content = damaged.read_bytes()
    damaged.write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))
    message = runs.main(tmp_path / "run", f"--config.data.dir={shards}", f"--config.data.workers={workers}")
    assert message.startswith(f"error: {damaged}: record ")
    assert "cannot be read, the file is damaged or incomplete" in message


def test_contract_is_carried_in_config_checkpoint_and_export(tiny_experiment, finished_run, tmp_path):
    plain = config.to_plain(CONTRACT)
    assert config.to_plain(tiny_experiment)["dataset"] == plain
    root = json.loads((finished_run / "probe" / "checkpoints" / "metadata" / "_ROOT_METADATA").read_text())
    assert root["custom_metadata"]["experiment"]["dataset"] == plain
    _, exported = state_dict(finished_run)
    assert exported.dataset == CONTRACT

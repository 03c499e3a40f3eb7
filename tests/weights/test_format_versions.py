"""Checkpoints and exports say in which version of the format they are written; older ones are read, newer refused."""

import json
import re

import jax
import numpy as np
import orbax.checkpoint.experimental.v1 as ocp
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from mmae_jax.formats import sealed
from mmae_jax.spec import SpecError
from mmae_jax.train.state import Program, abstract_state
from mmae_jax.weights.checkpoint import Checkpoints, load_params
from mmae_jax.weights.export import export, state_dict
from mmae_jax.weights.folder import CheckpointError, open_experiment
from mmae_jax.weights.progress import Progress
from mmae_jax.weights.result import Result, read_result, write_result
from mmae_jax.weights.source import open_weights
from tests import runs

STEP, PHASE = 3, "finetune"
NEWER = r"format_version: expected at most 1, found 2; it was written by a newer version of mmae_jax: install that"


@pytest.fixture(scope="module")
def experiment(synthetic_shards):
    return runs.tiny(synthetic_shards, ("s1_asc",))


@pytest.fixture(scope="module")
def state(experiment):
    """A state in which every leaf is different."""
    leaves, tree = jax.tree.flatten(abstract_state(Program(experiment, PHASE, 6), runs.one_device()))
    values = [
        jax.device_put(np.full(leaf.shape, index, leaf.dtype), leaf.sharding) for index, leaf in enumerate(leaves)
    ]
    return jax.tree.unflatten(tree, values)


@pytest.fixture
def checkpoints(experiment, state, tmp_path):
    with Checkpoints(tmp_path / "checkpoints", experiment, PHASE) as checkpoints:
        checkpoints.save(STEP, state, Progress(0.5, STEP))
    return tmp_path / "checkpoints"


def restored(checkpoints, experiment, state):
    with Checkpoints(checkpoints, experiment, PHASE) as opened:
        assert opened.progress(STEP) == Progress(0.5, STEP)
        return opened.restore(STEP, jax.tree.map(ocp_leaf, state))


def ocp_leaf(leaf):
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding)


def change_version(file, version):
    """Sets the version in a file of metadata; None removes it."""
    plain = json.loads(file.read_text())
    stored = plain["custom_metadata"]
    assert stored.pop("sha256")
    assert stored.pop("format_version") == 1
    plain["custom_metadata"] = stored if version is None else sealed(stored | {"format_version": version})
    file.write_text(json.dumps(plain))


def write_as_before_versions(checkpoints):
    """Rewrites a folder of checkpoints as it was before there were versions."""
    change_version(checkpoints / "metadata" / "_ROOT_METADATA", None)
    with ocp.training.Checkpointer(checkpoints) as checkpointer:
        leaves, metadata = checkpointer.load(STEP), dict(checkpointer.metadata(STEP).custom_metadata)
        assert metadata.pop("format_version") == 1
        assert len(metadata.pop("checksums")) == len(leaves)
        assert metadata.pop("sha256")
        leaves = {re.sub("^opt_state", "moments", name): leaf for name, leaf in leaves.items()}
        assert any(name.startswith("moments.") for name in leaves)
        checkpointer.save(STEP, leaves, custom_metadata=metadata, overwrite=True)


def test_checkpoint_from_before_versions_is_restored(checkpoints, experiment, state):
    write_as_before_versions(checkpoints)
    runs.assert_same(restored(checkpoints, experiment, state), state)


def test_checkpoints_of_both_versions_stand_in_one_folder(checkpoints, experiment, state):
    write_as_before_versions(checkpoints)
    with Checkpoints(checkpoints, experiment, PHASE) as opened:
        opened.save(STEP + 1, state, Progress(0.5, STEP))
        opened.wait()
        runs.assert_same(opened.restore(STEP + 1, jax.tree.map(ocp_leaf, state)), state)
        runs.assert_same(opened.restore(STEP, jax.tree.map(ocp_leaf, state)), state)


def test_parameters_from_before_versions_are_read(checkpoints, experiment, state):
    write_as_before_versions(checkpoints)
    runs.assert_same(load_params(checkpoints, STEP, experiment, runs.one_device(), averaged=False), state.params)


def test_folder_of_a_newer_version_is_refused_by_name(checkpoints, experiment):
    change_version(checkpoints / "metadata" / "_ROOT_METADATA", 2)
    with pytest.raises(CheckpointError, match=f"^{checkpoints}: {NEWER}"):
        open_experiment(checkpoints)
    with pytest.raises(CheckpointError, match=NEWER):
        Checkpoints(checkpoints, experiment, PHASE)


def test_checkpoint_of_a_newer_version_is_refused_by_name(checkpoints, experiment, state):
    change_version(checkpoints / str(STEP) / "_CHECKPOINT_METADATA", 2)
    with pytest.raises(CheckpointError, match=f"^{checkpoints / str(STEP)}: {NEWER}"):
        restored(checkpoints, experiment, state)
    with pytest.raises(CheckpointError, match=f"^{checkpoints / str(STEP)}: {NEWER}"):
        load_params(checkpoints, STEP, experiment, runs.one_device(), averaged=False)


def test_experiment_of_another_version_is_refused_by_name(checkpoints):
    file = checkpoints / "metadata" / "_ROOT_METADATA"
    plain = json.loads(file.read_text())
    stored = plain["custom_metadata"]
    stored["experiment"]["colour"] = "red"
    file.write_text(json.dumps(plain))
    with pytest.raises(CheckpointError, match=f"^{checkpoints}: was changed since it was written: expected sha256"):
        open_experiment(checkpoints)
    plain["custom_metadata"] = sealed({name: value for name, value in stored.items() if name != "sha256"})
    file.write_text(json.dumps(plain))
    with pytest.raises(CheckpointError, match=f"^{checkpoints}: written by another version .*: colour: no such field"):
        open_experiment(checkpoints)


@pytest.fixture
def exported(finished_run, tmp_path):
    """An export, and how to write it with other metadata."""
    file = tmp_path / "weights.safetensors"
    export(finished_run, file)
    with safe_open(file, framework="numpy") as opened:
        metadata = opened.metadata()

    def rewrite(**changes):
        stored = {name: value for name, value in (metadata | changes).items() if value is not None}
        del stored["sha256"]  # which versions brought along
        save_file(load_file(file), file, sealed(stored) if "format_version" in stored else stored)
        return file

    return rewrite


def test_export_says_its_version(exported):
    with safe_open(exported(), framework="numpy") as opened:
        assert opened.metadata()["format_version"] == "1"


def test_export_from_before_versions_means_the_same(exported, tiny_experiment):
    assert open_weights(exported(format_version=None)).experiment == tiny_experiment


def test_export_of_a_newer_version_is_refused_by_name(exported):
    with pytest.raises(SpecError, match=f"weights.safetensors: {NEWER}"):
        open_weights(exported(format_version="2"))


def test_export_of_another_experiment_format_is_refused_by_name(exported):
    with pytest.raises(SpecError, match=r"weights.safetensors: exported by another version of mmae_jax.*: missing"):
        open_weights(exported(experiment=json.dumps({"seed": 1})))


def test_an_export_is_exported_again_without_a_changed_byte(exported, finished_run):
    again, experiment = state_dict(exported())
    expected, of_run = state_dict(finished_run)
    assert experiment == of_run
    assert {name: tensor.tobytes() for name, tensor in again.items()} == {
        name: tensor.tobytes() for name, tensor in expected.items()
    }


def test_weights_without_experiment_are_no_start_of_an_export(exported):
    with pytest.raises(SpecError, match=r"weights.safetensors: does not say for which experiment"):
        state_dict(exported(experiment=None))


def write_result_of_version(workdir, version):
    write_result(workdir, Result(PHASE, STEP, False, {"val": {"loss": 1.0}}))
    file = workdir / PHASE / "result.json"
    plain = json.loads(file.read_text())
    assert plain.pop("format_version") == 1
    assert plain.pop("sha256")
    file.write_text(json.dumps(plain if version is None else sealed(plain | {"format_version": version})))


@pytest.mark.parametrize("version", [None, 1])
def test_result_of_this_version_and_from_before_versions_is_read(tmp_path, version):
    (tmp_path / PHASE).mkdir()
    write_result_of_version(tmp_path, version)
    assert read_result(tmp_path, PHASE) == Result(PHASE, STEP, False, {"val": {"loss": 1.0}})


def test_result_of_a_newer_version_is_refused_by_name(tmp_path):
    (tmp_path / PHASE).mkdir()
    write_result_of_version(tmp_path, 2)
    with pytest.raises(SpecError, match=f"result.json: {NEWER}"):
        read_result(tmp_path, PHASE)

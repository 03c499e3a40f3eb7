"""Weights with PyTorch names: the whole table, both ways without a changed byte, and errors that list names."""

import dataclasses
import json
import types
import zipfile

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from mmae_jax.command_line.program import main
from mmae_jax.config import experiment_from_config
from mmae_jax.models.params import by_path
from mmae_jax.spec import SpecError
from mmae_jax.train import loop
from mmae_jax.train.state import averaged_params
from mmae_jax.weights import export as exporting
from mmae_jax.weights import torch_names
from mmae_jax.weights.export import state_dict
from mmae_jax.weights.source import load_initial
from tests import runs


@pytest.fixture(scope="module")
def weights(finished_run, tmp_path_factory):
    """The exported weights of `finished_run`."""
    file = tmp_path_factory.mktemp("export") / "weights.safetensors"
    assert main(["export", f"--workdir={finished_run}", f"--out={file}"]) == 0
    return file


def starting_from(experiment, file):
    return dataclasses.replace(experiment, init_from=str(file))


def exported(params, experiment):
    return torch_names.to_state_dict({path: np.asarray(leaf) for path, leaf in by_path(params).items()}, experiment)


def assert_same_tensors(found, expected):
    assert {name: (a.shape, a.dtype, a.tobytes()) for name, a in found.items()} == {
        name: (a.shape, a.dtype, a.tobytes()) for name, a in expected.items()
    }


def test_names_and_shapes_are_those_of_the_table(tiny_experiment, weights):
    table = {weight.name: weight.shape for weight in torch_names.weights(tiny_experiment)}
    found = load_file(weights)
    assert {name: tensor.shape for name, tensor in found.items()} == table
    assert {tensor.dtype for tensor in found.values()} == {np.dtype("float32")}
    assert found["patch_embed.s2.patchify_bands.0.conv.weight"].shape == (16, 10, 2, 2)
    assert found["encoder.s1.layers.0.0.to_qkv.weight"].shape == (48, 16)


def test_values_are_those_of_the_chosen_checkpoint(tiny_experiment, finished_run, weights):
    state = runs.state_of(tiny_experiment, finished_run, "finetune")
    assert_same_tensors(
        load_file(weights), exported(averaged_params(state, tiny_experiment, "finetune"), tiny_experiment)
    )


def test_file_carries_the_experiment(tiny_experiment, weights):
    with safe_open(weights, framework="numpy") as file:
        metadata = file.metadata()
    assert experiment_from_config(json.loads(metadata["experiment"])) == tiny_experiment


def test_round_trip_changes_no_byte(tiny_experiment, weights):
    params = load_initial(starting_from(tiny_experiment, weights), runs.one_device()).params
    assert_same_tensors(exported(params, tiny_experiment), load_file(weights))


def test_round_trip_through_a_run_changes_no_byte(scripted, synthetic_shards, weights, tmp_path):
    experiment = runs.tiny(synthetic_shards, phases=("finetune",), finetune__epochs=1, init_from=str(weights))
    scripted.setattr(runs, "BIAS", ("heads", "treesat_mlc_thresh", "pool", "query"))
    runs.run(experiment, tmp_path / "run")
    found, _ = state_dict(tmp_path / "run", averaged=True)
    assert_same_tensors(found, load_file(weights))
    found, _ = state_dict(tmp_path / "run", averaged=False)
    query = "heads.treesat_mlc_thresh.reduce.query"
    np.testing.assert_allclose(found.pop(query), load_file(weights)[query] + 3, rtol=1e-6)


def test_pytorch_file_loads_with_torch(finished_run, weights, tmp_path):
    torch = pytest.importorskip("torch")
    assert main(["export", f"--workdir={finished_run}", f"--out={tmp_path / 'weights.pt'}"]) == 0
    stored = torch.load(tmp_path / "weights.pt", weights_only=True)
    assert_same_tensors({name: tensor.numpy() for name, tensor in stored.items()}, load_file(weights))


@pytest.mark.parametrize("ending", [".pt", ".pth", ".ckpt"])
def test_pytorch_files_are_a_start(tiny_experiment, weights, tmp_path, ending):
    torch = pytest.importorskip("torch")
    stored = {name: torch.from_numpy(tensor) for name, tensor in load_file(weights).items()}
    if ending == ".ckpt":  # Lightning's, with the average that the reference keeps beside the model
        stored = {f"model.{name}": tensor for name, tensor in stored.items()} | {
            f"ema_model.{name}": tensor + 1 for name, tensor in stored.items()
        }
        stored = {"state_dict": stored, "epoch": 3, "global_step": 7}
    file = tmp_path / f"weights{ending}"
    torch.save(stored, file)
    params = load_initial(starting_from(tiny_experiment, file), runs.one_device()).params
    assert_same_tensors(exported(params, tiny_experiment), load_file(weights))


def test_names_and_shapes_that_do_not_match_are_told(tiny_experiment, weights, tmp_path):
    tensors = load_file(weights)
    removed, reshaped = "encoder.s2.norm.weight", "decoder.s2.norm.bias"
    del tensors[removed]
    tensors[reshaped] = np.zeros(14, np.float32)
    save_file(tensors, tmp_path / "other.safetensors")
    with pytest.raises(SpecError) as error:
        load_initial(starting_from(tiny_experiment, tmp_path / "other.safetensors"), runs.one_device())
    for line in (
        f"{removed}: expected shape (16,), found nothing",
        f"{reshaped}: expected shape (16,), found (14,)",
    ):
        assert line in str(error.value)


def test_a_file_of_pytorch_that_ends_too_early_is_incomplete(tiny_experiment, tmp_path):
    file = tmp_path / "cut.pth"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("weights/data.pkl", b"0" * 1000)
    file.write_bytes(file.read_bytes()[:500])
    with pytest.raises(SpecError, match=r"cut\.pth cannot be read \(incomplete"):
        load_initial(starting_from(tiny_experiment, file), runs.one_device())


@pytest.mark.parametrize("ending", [".safetensors", ".pt"])
def test_damaged_weights_are_named(tiny_experiment, tmp_path, ending):
    pytest.importorskip("torch")
    file = tmp_path / f"damaged{ending}"
    file.write_bytes(b"\x01\x02\x03 no weights")
    with pytest.raises(SpecError, match=f"init_from: {file} cannot be read"):
        load_initial(starting_from(tiny_experiment, file), runs.one_device())


@pytest.mark.parametrize("source", ["nowhere", "empty"])
def test_start_that_is_none_is_refused(tiny_experiment, tmp_path, source):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SpecError, match=f"init_from: .*{source}"):
        load_initial(starting_from(tiny_experiment, tmp_path / source), runs.one_device())


def test_workdir_is_a_start(tiny_experiment, finished_run):
    params = load_initial(starting_from(tiny_experiment, finished_run), runs.one_device()).params
    runs.assert_same(params, runs.state_of(tiny_experiment, finished_run, "finetune").params)


def test_phase_begins_with_what_the_one_before_ended_with(tiny_experiment, finished_run):
    params = loop.initial_params(tiny_experiment, "probe", finished_run, runs.one_device())
    runs.assert_same(params, runs.state_of(tiny_experiment, finished_run, "pretrain").params)


@pytest.fixture(scope="module")
def probed(synthetic_shards, tmp_path_factory):
    """A scripted run that ends with probing."""
    workdir, scripted = tmp_path_factory.mktemp("probed") / "run", runs.Scripted()
    runs.run(runs.tiny(synthetic_shards, ("s1_asc",), phases=("pretrain", "probe"), probe__epochs=1), workdir)
    scripted.undo()
    return workdir


@pytest.mark.parametrize(("flags", "averaged"), [([], False), (["--averaged"], True), (["--no-averaged"], False)])
def test_phase_and_average_are_chosen(probed, tmp_path, flags, averaged):
    arguments = [f"--workdir={probed}", f"--out={tmp_path / 'w.safetensors'}", "--phase=probe", *flags]
    assert main(["export", *arguments]) == 0
    # Scripted steps add 1 to the bias, 6 in pretraining and 3 in probing; its average stays where probing began.
    assert load_file(tmp_path / "w.safetensors")["heads.treesat_mlc_thresh.linear.bias"][0] == (6 if averaged else 9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workdir={run}", "--out={tmp}/weights.onnx"], "--out: expected a file that ends in .safetensors or .pt"),
        (
            ["--workdir={tmp}", "--out={tmp}/w.pt"],
            "expected a finished phase (pretrain or probe or finetune), found none",
        ),
        (["--workdir={tmp}", "--out={tmp}/w.pt", "--phase=probe"], "expected a finished phase (probe), found none"),
        (["--workdir={run}", "--out={tmp}/file/w.safetensors"], "{tmp}/file"),
    ],
)
def test_what_cannot_be_exported_is_said_in_one_line(finished_run, tmp_path, capsys, arguments, message):
    (tmp_path / "file").touch()
    places = {"run": finished_run, "tmp": tmp_path}
    assert main(["export", *(argument.format(**places) for argument in arguments)]) == 1
    printed = capsys.readouterr().err.strip().splitlines()[-1]
    assert printed.startswith("error: ")
    assert message.format(**places) in printed


def test_export_is_complete_or_absent(finished_run, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "safetensors_of", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        exporting.export(finished_run, tmp_path / "weights.safetensors")
    assert not (tmp_path / "weights.safetensors").exists()


def test_weights_of_another_encoder_have_no_torch_names(tiny_experiment, tmp_path, monkeypatch):
    other = dataclasses.replace(tiny_experiment, model=dataclasses.replace(tiny_experiment.model, encoder="other"))
    monkeypatch.setattr(exporting, "open_weights", lambda *_, **__: types.SimpleNamespace(experiment=other))
    with pytest.raises(SpecError, match=r"^model\.encoder: expected mmae, .* found 'other'"):
        state_dict(tmp_path)

"""Weights of the reference become an experiment and a start for training."""

import dataclasses
import importlib

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from data_prep.datasets import registry
from mmae_jax.command_line.program import main
from mmae_jax.config import experiment_from_config
from mmae_jax.spec import ARCHITECTURES
from mmae_jax.weights.export import write
from mmae_jax.weights.fitted_config import DATASETS, fitting_config
from mmae_jax.weights.inferred import inferred
from mmae_jax.weights.source import load_initial
from mmae_jax.weights.torch_names import weights
from tests import runs
from tests.experiments import tensors_of


def experiment_of(name, change=lambda config: None):
    config = importlib.import_module(f"configs.{name}").get_config()
    config.model.architecture = "tiny"
    change(config)
    return experiment_from_config(config)


def as_published(config):
    """A shared embedding of Sentinel-1, elevations in patches of 32, and no heads, as the reference's checkpoints."""
    for name in ("s1_asc", "s1_des"):
        config.inputs[name].name_embed = "s1"
    config.inputs.dem.patch_size = 16
    config.phases, config.targets = ("pretrain",), ()


def test_every_published_dataset_is_tried():
    assert set(DATASETS) == set(registry.DATASETS) - {"trial_fields"}  # always made up


@pytest.mark.parametrize("name", DATASETS)
def test_names_and_shapes_tell_the_architecture(name, tmp_path):
    experiment = experiment_of(name)
    found = inferred(tensors_of(experiment), "there")
    assert found.architecture == ARCHITECTURES["tiny"] == experiment.model.architecture
    assert found.inter_depth == experiment.model.inter_depth
    assert {one: (i.bands, i.patch_size) for one, i in found.inputs.items()} == {
        one: (i.group_lengths, i.patch_size) for one, i in experiment.inputs.items()
    }
    assert found.targets == experiment.targets
    assert found.head == (experiment.model.head if experiment.targets else None)
    assert weights(printed(found, tmp_path)) == weights(experiment)


def printed(found, tmp_path):
    """The experiment of the config file that is printed for weights."""
    fitted, variables = fitting_config(found, tmp_path / "x.ckpt"), {}
    exec(fitted.text(tmp_path / "x.ckpt"), variables)
    experiment = experiment_from_config(variables["get_config"]())
    assert experiment == fitted.experiment
    return experiment


def test_an_architecture_that_was_never_published_is_told_by_its_fields(tmp_path):
    other = dataclasses.replace(ARCHITECTURES["tiny"], depth=5, decoder_depth=2, mlp_ratio=3.0)
    experiment = experiment_of("treesatai_ts")
    experiment = dataclasses.replace(experiment, model=dataclasses.replace(experiment.model, architecture=other))
    assert weights(printed(inferred(tensors_of(experiment), "there"), tmp_path)) == weights(experiment)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A checkpoint as Lightning writes the reference's, with SPOT, which the config of the dataset does not use."""
    torch = pytest.importorskip("torch")
    tensors = tensors_of(experiment_of("flair_hub", as_published))
    tensors |= {name.replace(".aerial", ".spot"): array for name, array in tensors.items() if ".aerial" in name}
    stored = {f"model.{name}": torch.from_numpy(array) for name, array in tensors.items()}
    stored |= {f"ema_model.{name}": torch.from_numpy(array + 1) for name, array in tensors.items()}
    file = tmp_path_factory.mktemp("reference") / "reference.ckpt"
    torch.save({"state_dict": stored, "epoch": 3, "hyper_parameters": {"a": 1}}, file)
    return file, tensors


def test_a_checkpoint_of_the_reference_trains_on(checkpoint, tmp_path, capsys, caplog):
    file, tensors = checkpoint
    assert main(["import", str(file), f"--out={tmp_path / 'weights.safetensors'}"]) == 0
    config = capsys.readouterr().out
    (tmp_path / "published.py").write_text(config)
    assert "    config.inputs.s1_asc.name_embed = 's1'\n" in config
    assert "    config.inputs.dem.patch_size = 16\n" in config
    assert any(
        record.getMessage().startswith(f"{file}: ") and "unused  encoder.spot" in record.getMessage()
        for record in caplog.records
    )
    assert "left out, as the config has no such inputs: spot of (" in caplog.text
    written = load_file(tmp_path / "weights.safetensors")
    expected = {name: array for name, array in tensors.items() if ".spot" not in name}
    assert written.keys() == expected.keys()
    assert all(np.array_equal(written[name], array) for name, array in expected.items())
    start = experiment_of("flair_hub", as_published)
    initial = load_initial(
        importlib.import_module("dataclasses").replace(start, init_from=str(tmp_path / "weights.safetensors")),
        runs.one_device(),
    )
    assert {row.action for row in initial.report.rows} == {"loaded"}
    assert (
        main(["import", str(file), f"--config={tmp_path / 'published.py'}", f"--out={tmp_path / 'again.safetensors'}"])
        == 0
    )
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "weights.safetensors").read_bytes()


def test_averaged_weights_are_taken_where_asked_for(checkpoint, tmp_path):
    file, tensors = checkpoint
    assert main(["import", str(file), "--averaged", f"--out={tmp_path / 'averaged.safetensors'}"]) == 0
    written = load_file(tmp_path / "averaged.safetensors")
    name = "encoder.s2.norm.weight"
    np.testing.assert_array_equal(written[name], tensors[name] + 1)


@pytest.fixture(scope="module")
def tensors():
    return tensors_of(experiment_of("treesatai_ts"))


def test_the_name_of_a_file_is_no_program(tensors, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (
        'x"""; import os; os.mkdir("harm"); """.safetensors',
        "back\\N{slash.safetensors",
        "two\nlines.safetensors",
    ):
        save_file(tensors, name)
        assert main(["import", name]) == 0
        assert "config.model.architecture = 'tiny'" in capsys.readouterr().out
    assert not (tmp_path / "harm").exists()


def test_names_in_safetensors_may_have_the_prefixes_of_lightning(tensors, tmp_path):
    both = {f"model.{name}": array for name, array in tensors.items()}
    save_file(both | {f"ema_model.{name}": array + 1 for name, array in tensors.items()}, tmp_path / "x.safetensors")
    for option, more in (([], 0), (["--averaged"], 1)):
        assert main(["import", str(tmp_path / "x.safetensors"), *option, f"--out={tmp_path / 'y.safetensors'}"]) == 0
        written = load_file(tmp_path / "y.safetensors")
        assert all(np.array_equal(written[name], array + more) for name, array in tensors.items())


def test_a_head_of_other_classes_is_left_out_and_said(tensors, tmp_path, caplog):
    other = {
        name: np.zeros((7, *array.shape[1:]), np.float32) if name.startswith("heads.") and ".linear." in name else array
        for name, array in tensors.items()
    }
    save_file(other, tmp_path / "x.safetensors")
    assert main(["import", str(tmp_path / "x.safetensors"), f"--out={tmp_path / 'y.safetensors'}"]) == 0
    assert "heads.treesat_mlc_thresh is left out, with its target" in caplog.text
    assert not [name for name in load_file(tmp_path / "y.safetensors") if name.startswith("heads.")]


def test_an_export_is_taken_as_it_is(tensors, tmp_path, capsys):
    own, again = tmp_path / "own.safetensors", tmp_path / "again.safetensors"
    write(tensors, experiment_of("treesatai_ts"), own)
    assert main(["import", str(own), f"--out={again}"]) == 0
    assert again.read_bytes() == own.read_bytes()
    assert f"start from it as it is: --config.init_from={own}" in refused(capsys, own)
    torch, halves = pytest.importorskip("torch"), {name: a.astype(jnp.bfloat16) for name, a in tensors.items()}
    write(halves, experiment_of("treesatai_ts"), own)
    assert main(["import", str(own), f"--out={tmp_path / 'again.pt'}"]) == 0
    assert torch.load(tmp_path / "again.pt")["encoder.s2.norm.weight"].dtype == torch.float32


def test_wrong_options_are_refused(tensors, tmp_path, capsys):
    file = tmp_path / "x.safetensors"
    save_file(tensors, file)
    assert "averaged weights, whose names begin with ema_model., found none" in refused(capsys, file, "--averaged")
    assert "--out: expected a file that ends in" in refused(capsys, file, f"--out={tmp_path / 'x.txt'}")
    assert "expected --config=FILE, too" in refused(capsys, file, "--config.model.inter_depth=0", code=2)
    drawn = ("--config=configs/treesatai_ts.py", "--config.model.architecture=tiny", f"--out={tmp_path / 'y.pt'}")
    assert "nothing is drawn here" in refused(capsys, file, *drawn, "--config.transfer.modules={'decoder': 'new'}")
    assert [one.name for one in tmp_path.iterdir()] == ["x.safetensors"]


def refused(capsys, *arguments, code=1):
    assert main(["import", *map(str, arguments)]) == code
    (line,) = (one for one in capsys.readouterr().err.splitlines() if one.startswith("error: "))
    return line


def test_what_is_no_such_model_is_refused(tmp_path, capsys):
    save_file({"blocks.0.attn.qkv.weight": np.zeros((3, 1), np.float32)}, tmp_path / "vit.safetensors")
    assert "no weights of a masked autoencoder of the reference" in refused(capsys, tmp_path / "vit.safetensors")
    assert "not found" in refused(capsys, tmp_path / "nowhere.ckpt")
    assert "expected weights that end in .safetensors" in refused(capsys, tmp_path)
    empty = {name: array[..., :0] for name, array in tensors_of(experiment_of("treesatai_ts")).items()}
    save_file(empty, tmp_path / "empty.safetensors")
    assert "(division by zero)" in refused(capsys, tmp_path / "empty.safetensors")
    tensors = {
        name.replace(".s2.", ".radar."): array for name, array in tensors_of(experiment_of("treesatai_ts")).items()
    }
    only = {name: array for name, array in tensors.items() if ".radar." in name}
    save_file(only, tmp_path / "unknown.safetensors")
    assert "no dataset has inputs like radar of (10,) bands" in refused(capsys, tmp_path / "unknown.safetensors")
    alone = {
        name: a
        for name, a in tensors_of(experiment_of("treesatai_ts")).items()
        if name.startswith(("encoder", "patch"))
    }
    save_file(alone, tmp_path / "encoder.safetensors")
    line = refused(capsys, tmp_path / "encoder.safetensors", f"--out={tmp_path / 'x.safetensors'}")
    assert "holds no decoder; start finetuning from it as it is" in line
    assert not (tmp_path / "x.safetensors").exists()

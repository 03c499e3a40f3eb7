"""Exported folders: what is in them, and that the model in them answers without this program."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file

from mmae_jax import spec
from mmae_jax.command_line.program import main
from mmae_jax.config import from_plain, to_plain
from mmae_jax.formats import seal_of
from mmae_jax.weights import export as exporting
from mmae_jax.weights import torch_names
from mmae_jax.weights.pytorch import folder as folders
from mmae_jax.weights.result import Result
from tests import experiments

RESULT = Result("finetune", 10, True, {"val": {"trees/mean_f1": 0.25}, "test": {"trees/mean_f1": 0.5}})
OWN = Path(folders.__file__).parent


@pytest.fixture(scope="module")
def experiment():
    tiny = experiments.experiment(("aerial", "s2"), interpolate="bilinear")
    return from_plain(spec.Experiment, to_plain(tiny), "")  # as one that was read from a config


@pytest.fixture(scope="module")
def params(experiment):
    tiny = experiments.Tiny(experiment)
    return {path: np.asarray(array) for path, array in experiments.by_path(tiny.params).items()}


@pytest.fixture(scope="module")
def folder(experiment, params, tmp_path_factory):
    out = tmp_path_factory.mktemp("exported") / "folder"
    folders.write_folder(params, experiment, out, result=RESULT)
    return out


@pytest.fixture
def no_golden(monkeypatch):
    """Computes no golden numbers."""
    monkeypatch.setattr(folders, "golden_tensors", lambda *_: {"ref_date/ref_date": np.zeros(3)})


def config_in(folder):
    return json.loads((folder / "config.json").read_text())


def copied(folder, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in folder.iterdir():
        if file.is_file():
            (copy / file.name).write_bytes(file.read_bytes())
    return copy


def test_folder_is_complete(folder, experiment, params, tmp_path):
    names = {"README.md", "check.py", "config.json", "golden.safetensors", "mlm.json", "model.safetensors"}
    assert {file.name for file in folder.iterdir() if file.is_file()} == names | {"modeling_mmae.py"}
    for name in folders.PROGRAMS:
        assert (folder / name).read_bytes() == (OWN / name).read_bytes()
    exporting.write(torch_names.to_state_dict(params, experiment), experiment, tmp_path / "weights.safetensors")
    assert (folder / "model.safetensors").read_bytes() == (tmp_path / "weights.safetensors").read_bytes()


def test_golden_numbers_lack_a_sensor_and_a_date(folder):
    golden = load_file(folder / "golden.safetensors")
    assert golden["valid/s2"].tolist() == [[True, True, False], [False] * 3]
    assert np.isnan(golden["inputs/s2"][0, 2]).all()
    assert not golden["tokens/s2"][1].any()
    assert not golden["reconstruction/s2"][0, 2].any()
    assert golden["tokens/s2"][0].any()
    assert np.isfinite(golden["logits/cover"]).all()
    assert golden["logits/cover"].shape == (2, 8, 8, 2)


def test_export_of_an_exported_folder_is_the_same(folder, no_golden, tmp_path):
    assert main(["export", f"--workdir={folder}", f"--out={tmp_path / 'again'}/"]) == 0
    for name in ("model.safetensors", "modeling_mmae.py"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
    assert main(["export", f"--workdir={folder}", f"--out={tmp_path / 'weights.safetensors'}"]) == 0
    assert (tmp_path / "weights.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


def test_parts_and_data_type_are_chosen(folder, no_golden, tmp_path):
    options = ["--parts=encoder", "--dtype=bfloat16"]
    assert main(["export", f"--workdir={folder}", f"--out={tmp_path / 'encoder'}/", *options]) == 0
    found, whole = load_file(tmp_path / "encoder" / "model.safetensors"), load_file(folder / "model.safetensors")
    expected = {name for name in whole if name.startswith(("patch_embed.", "encoder.", "encoder_inter."))}
    assert set(found) == expected
    for name, tensor in found.items():
        assert tensor.dtype == jnp.bfloat16
        np.testing.assert_array_equal(tensor, whole[name].astype(jnp.bfloat16))
    config = config_in(tmp_path / "encoder")
    assert (config["parts"], config["targets"], config["dtype"]) == (["encoder"], {}, "bfloat16")
    assert "predict" not in (tmp_path / "encoder" / "README.md").read_text().partition("## Sensors")[0]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--workdir={folder}", "--out={folder}"], 1, "--out: {folder} exists; remove it, or name another folder"),
        (["--workdir={folder}"], 2, "expected --workdir and --out, or --check"),
        (
            ["--workdir={folder}", "--out=f/", "--parts=head"],
            2,
            "--parts: expected all or some of encoder, decoder, heads",
        ),
        (
            ["--workdir={folder}", "--out=f.pt", "--dtype=bfloat16"],
            1,
            "--out: expected a folder for --parts, --dtype",
        ),
        (["--check={tmp}"], 1, "{tmp}/config.json not found"),
    ],
)
def test_mistakes_are_one_line(folder, no_golden, tmp_path, capsys, arguments, code, message):
    places = {"folder": folder, "tmp": tmp_path}
    assert main(["export", *(argument.format(**places) for argument in arguments)]) == code
    assert message.format(**places) in capsys.readouterr().err.strip().splitlines()[-1]


def test_a_folder_is_whole_or_not_there(experiment, params, no_golden, monkeypatch, tmp_path):
    monkeypatch.setattr(
        type(folders.epath.Path()), "write_text", lambda *_, **__: (_ for _ in ()).throw(OSError("disk full"))
    )
    with pytest.raises(OSError, match="disk full"):
        folders.write_folder(params, experiment, tmp_path / "folder")
    assert not list(tmp_path.iterdir())


def test_card_tells_contract_training_and_scores(folder):
    text = (folder / "README.md").read_text()
    for line in (
        "| s2 | b2, b3 + b11 | float32 x; none = x | 8² | 1 m | up to 3 | NaN | s2 |",
        "| trees | multilabel | the tile | 3 | oak, beech, pine |",
        "| pretrain | 1 | 2 | 0.0001 | train |",
        "| trees/mean_f1 | 0.25 | 0.5 |",
    ):
        assert line in text
    front = text.split("---\n")[1]
    index = json.loads(re.search(r"^model-index: (.*)$", front, re.M)[1])
    assert index[0]["results"][0]["metrics"] == [{"type": "trees/mean_f1", "value": 0.5}]


def test_item_is_of_the_machine_learning_model_extension(folder):
    schema = pytest.importorskip("stac_model.schema")
    validation = pytest.importorskip("pystac.validation")
    item = json.loads((folder / "mlm.json").read_text())
    assert item["stac_extensions"] == [schema.SCHEMA_URI]
    validation.validate_dict(item, extensions=[])  # the extension's schema is not stored with the library
    properties = schema.MLModelProperties(**item["properties"])
    assert [one.name for one in properties.input] == ["aerial", "s2"]
    assert list(properties.input[1].bands) == ["b2", "b3", "b11"]
    assert properties.total_parameters == sum(t.size for t in load_file(folder / "model.safetensors").values())


# ------------------------------------------------------------------------------------------------ with PyTorch


def run_without_jax(program, folder):
    """Runs a program in a folder, in a process that can import neither JAX nor safetensors nor this package."""
    forbidden = "import sys; sys.modules.update(dict.fromkeys(['jax', 'safetensors', 'mmae_jax', 'numpy']))\n"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-B", "-W", "ignore", "-c", f"{forbidden}sys.path.insert(0, '.')\n{program}"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_example_of_the_card_runs_with_pytorch_alone(folder):
    pytest.importorskip("torch")
    program = re.search(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.S)[1]
    ended = run_without_jax(program, folder)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == "{'aerial': (1, 1, 4, 16), 's2': (1, 2, 4, 16)}"


def test_check_passes(folder, capfd):
    pytest.importorskip("torch")
    assert main(["export", f"--check={folder}"]) == 0
    printed = capfd.readouterr().out
    outputs = (
        "tokens/aerial",
        "tokens/s2",
        "reconstruction/aerial",
        "reconstruction/s2",
        "logits/trees",
        "logits/cover",
    )
    assert all(re.search(rf"^{name} +\d\.\de-\d\d$", printed, re.M) for name in outputs)
    assert "allowed 1e-05: passed" in printed


def _other_weights(copy):
    tensors = load_file(copy / "model.safetensors")
    tensors["encoder.s2.norm.weight"] = tensors["encoder.s2.norm.weight"] * 1.01
    content = folders.safetensors_of(tensors, {})
    (copy / "model.safetensors").write_bytes(content)
    config = config_in(copy)
    config["sha256"]["model.safetensors"] = folders.hashlib.sha256(content).hexdigest()
    config["seal"] = seal_of({name: value for name, value in config.items() if name != "seal"})
    (copy / "config.json").write_text(json.dumps(config))


def _swapped_bands(copy):
    config = config_in(copy)
    config["inputs"]["aerial"]["bands"][0].reverse()
    (copy / "config.json").write_text(json.dumps(config))


def _flipped(name):
    def change(copy):
        content = bytearray((copy / name).read_bytes())
        content[len(content) // 2] ^= 1
        (copy / name).write_bytes(content)

    return change


def _cut(name):
    return lambda copy: (copy / name).write_bytes((copy / name).read_bytes()[:-9])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_other_weights, "deviates from its golden numbers"),
        (_flipped("golden.safetensors"), "changed since it was exported"),
        (_swapped_bands, "config.json: changed since it was exported"),
        (_cut("config.json"), "config.json: not valid JSON"),
        (_flipped("modeling_mmae.py"), "modeling_mmae.py is not this version's"),
    ],
    ids=["weights", "golden numbers", "order of bands", "config", "program"],
)
def test_check_finds_what_was_changed(folder, tmp_path, capsys, change, message):
    pytest.importorskip("torch")
    copy = copied(folder, tmp_path)
    change(copy)
    assert main(["export", f"--check={copy}"]) == 1
    assert message in capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.slow
def test_graphs_answer_for_any_number_of_samples(folder, experiment, params, tmp_path, monkeypatch):
    runtime = pytest.importorskip("onnxruntime")
    for library in ("torch", "onnxscript"):
        pytest.importorskip(library)
    golden = load_file(folder / "golden.safetensors")
    monkeypatch.setattr(folders, "golden_tensors", lambda *_: golden)
    folders.write_folder(params, experiment, tmp_path / "graphs", graphs=("onnx", "pt2"))
    assert (tmp_path / "graphs" / "model.pt2").exists()
    for name, tolerance in (("model.onnx", 1e-4), ("model_float16.onnx", 1e-2)):
        session = runtime.InferenceSession(str(tmp_path / "graphs" / name))
        last = {one.name: np.nan_to_num(golden[one.name][:1]) for one in session.get_inputs() if one.name in golden}
        last |= {"ref_date": golden["ref_date/ref_date"][:1]}
        wanted = {one.name: one.type for one in session.get_inputs()}
        given = {name: array.astype("int32") if "int32" in wanted[name] else array for name, array in last.items()}
        given = {name: given[name] for name in wanted}
        given["inputs/aerial"][0] = 1.0
        one = session.run(None, given)
        many = session.run(None, {name: np.repeat(array, 3, axis=0) for name, array in given.items()})
        for alone, together in zip(one, many, strict=True):
            np.testing.assert_allclose(together, np.repeat(alone, 3, axis=0), atol=tolerance * np.abs(alone).max())


def test_weights_that_were_changed_are_not_opened(folder, tmp_path):
    pytest.importorskip("torch")
    from mmae_jax.weights.pytorch.modeling_mmae import Model

    copy, content = copied(folder, tmp_path), (folder / "model.safetensors").read_bytes()
    for seed in range(100):
        rng = np.random.default_rng(seed)
        changed = bytearray(content if seed % 2 else content[: rng.integers(1, len(content))])
        changed[rng.integers(len(changed))] ^= 1 << rng.integers(8)
        (copy / "model.safetensors").write_bytes(changed)
        with pytest.raises(ValueError, match="changed since it was exported"):
            Model.from_pretrained(copy)

"""PyTorch's files as others write them: read without executing anything, whatever is wrapped around the weights."""

import collections
import enum
import functools
import os
import pathlib
import sys
import types

import numpy as np
import pytest
from etils import epath

from mmae_jax.spec import SpecError
from mmae_jax.weights import torch_names
from mmae_jax.weights.tensor_file import WeightsError, read_tensors
from tests import runs

torch = pytest.importorskip("torch")
PLAIN = {"encoder.a.weight": torch.arange(6.0).reshape(2, 3) / 7, "encoder.b.bias": torch.ones(3)}


def prefixed(*prefixes):
    return {"".join(prefixes) + name: tensor for name, tensor in PLAIN.items()}


class Colour(enum.Enum):
    RED = 1


class Settings(dict):
    def __init__(self, **settings):
        super().__init__(settings)
        self.path = pathlib.Path("nowhere")


class Executed:
    """Would write a file where a pickle calls what it names."""

    def __reduce__(self):
        return os.system, ("touch executed",)


FILES = {
    "plain": PLAIN,
    "half": {name: tensor.half() for name, tensor in PLAIN.items()},
    "bfloat16": {name: tensor.bfloat16() for name, tensor in PLAIN.items()},
    "double": {name: tensor.double() for name, tensor in PLAIN.items()},
    "parameters": {name: torch.nn.Parameter(tensor) for name, tensor in PLAIN.items()},
    "buffers": collections.OrderedDict((name, torch.nn.Buffer(tensor)) for name, tensor in PLAIN.items()),
    "views": {name: torch.cat([tensor, tensor])[: len(tensor)] for name, tensor in PLAIN.items()},
    "transposed": {name: tensor.T.contiguous().T if tensor.ndim == 2 else tensor for name, tensor in PLAIN.items()},
    "nested": {"epoch": torch.tensor(3), "model": PLAIN, "optimizer": {"state": {0: {"exp_avg": torch.ones(9)}}}},
    "twice nested": {"state_dict": {"model": PLAIN}},
    "data parallel": prefixed("module."),
    "compiled": {"model": prefixed("_orig_mod.")},
    "parts compiled": {name.replace("encoder.", "encoder._orig_mod."): tensor for name, tensor in PLAIN.items()},
    "lightning": {"state_dict": prefixed("model.") | {f"ema_model.{name}": -tensor for name, tensor in PLAIN.items()}},
    "all at once": {"state_dict": prefixed("model.", "_orig_mod.", "module.")},
    "hyperparameters": {
        "state_dict": prefixed("model."),
        "hyper_parameters": {
            "optimizer": functools.partial(dict, lr=1.0),
            "settings": Settings(width=3),
            "colour": Colour.RED,
            Colour.RED: {1, 2},
            "array": np.arange(3),
            "executed": Executed(),
        },
    },
}


@pytest.mark.parametrize("content", FILES.values(), ids=FILES)
def test_weights_are_read_and_nothing_is_executed(content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(content, "weights.ckpt")
    tensors, experiment = read_tensors(epath.Path("weights.ckpt"))
    assert experiment is None
    assert list(tensors) == list(PLAIN)
    for name, tensor in PLAIN.items():
        np.testing.assert_allclose(tensors[name].astype(np.float32), tensor.numpy(), rtol=1e-2)
    assert not os.path.exists("executed")


def test_classes_of_a_package_that_is_not_there_are_passed_over(tmp_path, monkeypatch):
    package = types.ModuleType("maestro")
    package.Config = dataclass = type("Config", (), {"__module__": "maestro"})
    monkeypatch.setitem(sys.modules, "maestro", package)
    config = dataclass()
    config.width = 3
    torch.save({"state_dict": prefixed("model."), "hyper_parameters": {"config": config}}, tmp_path / "a.ckpt")
    monkeypatch.delitem(sys.modules, "maestro")
    assert list(read_tensors(epath.Path(tmp_path / "a.ckpt"))[0]) == list(PLAIN)


def test_file_of_the_old_format_is_read(tmp_path):
    torch.save({"module.a": torch.ones(2).bfloat16()}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    tensors, _ = read_tensors(epath.Path(tmp_path / "old.pt"))
    assert tensors["a"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "expected a state dict, bare or as state_dict"),
        ({"epoch": 3, "model": {"width": 3}}, "expected a state dict"),
        ([torch.ones(2)], "expected a state dict"),
        (torch.nn.Linear(2, 2), "expected a state dict"),
    ],
)
def test_file_without_weights_says_so_in_one_line(content, message, tmp_path):
    torch.save(content, tmp_path / "none.pt")
    with pytest.raises(WeightsError, match=rf"none.pt cannot be read \({message}") as error:
        read_tensors(epath.Path(tmp_path / "none.pt"))
    assert "\n" not in str(error.value)


def bytes_of(file):
    return {name: (tensor.dtype, tensor.shape, tensor.tobytes()) for name, tensor in read_tensors(file)[0].items()}


@pytest.mark.parametrize("flips", [20, pytest.param(500, marks=pytest.mark.slow)])
def test_flipped_bits_are_noticed(flips, tmp_path):
    file = epath.Path(tmp_path / "weights.pt")
    torch.save({f"a.{index}": torch.rand(40) for index in range(5)}, file)
    content, expected, rng = file.read_bytes(), bytes_of(file), np.random.default_rng(0)
    for _ in range(flips):
        damaged = bytearray(content)
        damaged[rng.integers(len(damaged))] ^= 1 << rng.integers(8)
        file.write_bytes(damaged)
        try:
            assert bytes_of(file) == expected
        except SpecError as error:
            assert "weights.pt cannot be read (" in str(error)  # noqa: PT017


def test_message_about_other_names_is_a_screen_at_most():
    experiment = runs.tiny("nowhere")
    names = [weight.name for weight in torch_names.weights(experiment)]
    tensors = {f"backbone.{name}": np.zeros(2, np.float32) for name in names}
    with pytest.raises(SpecError) as error:
        torch_names.from_state_dict(tensors, {}, experiment)
    lines = str(error.value).splitlines()
    assert lines[0].endswith(
        f"of {len(names)}, {len(names)} are missing and 0 of another shape; {len(names)} are unknown"
    )
    assert len(lines) == 1 + 2 * 7

"""Flipped bits in checkpoints, exports and results: each is noticed, and what is damaged is named."""

import contextlib
import dataclasses
import json

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from mmae_jax.models.params import by_path
from mmae_jax.spec import SpecError
from mmae_jax.train.state import Program, abstract_state
from mmae_jax.weights import torch_names
from mmae_jax.weights.checkpoint import Checkpoints, load_params
from mmae_jax.weights.checksums import checksums
from mmae_jax.weights.export import write
from mmae_jax.weights.folder import CheckpointError
from mmae_jax.weights.progress import Progress
from mmae_jax.weights.result import Result, read_result, write_result
from mmae_jax.weights.tensor_file import read_tensors
from tests import runs

PHASE, STEPS = "pretrain", (3, 4)
SOME_FLIPS, ALL_FLIPS = 12, 250
"""Of checkpoints; as many of exports."""


@pytest.fixture(scope="module")
def experiment():
    return runs.tiny("nowhere", ("s1_asc",))


@pytest.fixture(scope="module")
def checkpoints(experiment, tmp_path_factory):
    """Checkpoints of two steps, of random parameters."""
    directory, rng = tmp_path_factory.mktemp("run") / PHASE / "checkpoints", np.random.default_rng(0)
    shapes = abstract_state(Program(experiment, PHASE, 6), runs.one_device())
    with Checkpoints(directory, experiment, PHASE) as opened:
        for step in STEPS:
            values = jax.tree.map(lambda leaf: rng.normal(0, 99, leaf.shape).astype(leaf.dtype), shapes)
            opened.save(step, jax.device_put(values, runs.one_device().devices.flat[0]), Progress())
    return directory


def flipped(path, rng):
    """Returns the bytes of a file with one bit flipped."""
    content = bytearray(path.read_bytes())
    content[rng.integers(len(content))] ^= 1 << rng.integers(8)
    return bytes(content)


def arrays_of(checkpoint):
    return max((checkpoint / "state" / "d").iterdir(), key=lambda path: path.stat().st_size)


def silent_flips(files, read, expected, number):
    """Returns how many of `number` seeded flips in `files` changed what `read` returns without an error."""
    rng, silent = np.random.default_rng(0), 0
    for index in range(number):
        file = files[index % len(files)]
        content = file.read_bytes()
        file.write_bytes(flipped(file, rng))
        with contextlib.suppress(SpecError):
            silent += read() != expected
        file.write_bytes(content)
    return silent


def check_flips_in_a_checkpoint(checkpoints, experiment, number):
    checkpoint = checkpoints / str(STEPS[-1])

    def read():
        return bytes_of(load_params(checkpoints, STEPS[-1], experiment, runs.one_device(), averaged=False))

    files = [arrays_of(checkpoint), arrays_of(checkpoint), checkpoint / "_CHECKPOINT_METADATA"]
    assert not silent_flips(files, read, read(), number)


def bytes_of(params):
    return {path: np.asarray(leaf).tobytes() for path, leaf in by_path(params).items()}


def test_flipped_bits_in_a_checkpoint_are_noticed(checkpoints, experiment):
    check_flips_in_a_checkpoint(checkpoints, experiment, SOME_FLIPS)


@pytest.mark.slow
def test_many_flipped_bits_in_a_checkpoint_are_noticed(checkpoints, experiment):
    check_flips_in_a_checkpoint(checkpoints, experiment, ALL_FLIPS)


@pytest.fixture(scope="module")
def exported(experiment, tmp_path_factory):
    """The export of random parameters."""
    params = {
        path: np.asarray(leaf) for path, leaf in by_path(runs.random_params(experiment, runs.one_device())).items()
    }
    file = tmp_path_factory.mktemp("export") / "weights.safetensors"
    write(torch_names.to_state_dict(params, experiment), experiment, file)
    return file


@pytest.mark.parametrize("number", [SOME_FLIPS, pytest.param(ALL_FLIPS, marks=pytest.mark.slow)])
def test_flipped_bits_in_an_export_are_noticed(exported, number):
    def read():
        tensors, experiment = read_tensors(exported)
        return {name: (tensor.dtype, tensor.shape, tensor.tobytes()) for name, tensor in tensors.items()}, experiment

    assert not silent_flips([exported], read, read(), number)


def test_damaged_tensor_of_an_export_is_named(exported, tmp_path):
    content = bytearray(exported.read_bytes())
    content[-1] ^= 1
    (tmp_path / "damaged.safetensors").write_bytes(content)
    last = [name for name, tensor in load_file(exported).items() if tensor.tobytes()[-4:] == exported.read_bytes()[-4:]]
    with pytest.raises(SpecError, match=r"damaged.safetensors: (\S+) is damaged: expected checksum") as error:
        read_tensors(tmp_path / "damaged.safetensors")
    assert any(name in str(error.value) for name in last)


def test_damaged_array_of_a_checkpoint_and_the_checkpoint_before_are_named(checkpoints, experiment, monkeypatch):
    from mmae_jax.weights import checkpoint

    def damaging(path, leaves):
        loaded = load(path, leaves)
        changed = np.array(loaded[name])
        changed.view(np.uint32)[0, 0, 0] ^= 1
        return loaded | {name: jax.device_put(changed, loaded[name].sharding)}

    name, load = "params.patch_embed.s1_asc.groups.0.kernel.value", checkpoint.ocp.load
    monkeypatch.setattr(checkpoint.ocp, "load", damaging)
    before = {
        4: "delete it to go on from what is before it, step 3",
        3: "to begin anew: there is no checkpoint before it",
    }
    for step, way_out in before.items():
        with pytest.raises(CheckpointError) as error:
            load_params(checkpoints, step, experiment, runs.one_device(), averaged=False)
        assert str(error.value).startswith(
            f"{checkpoints / str(step)}: params.patch_embed.s1_asc.groups.0.kernel.value "
        )
        assert str(error.value).endswith(way_out)


def test_checksum_is_the_same_on_any_mesh():
    array = np.random.default_rng(0).normal(size=(16, 8)).astype(np.float32)
    mesh = jax.make_mesh((4, 2), ("data", "fsdp"))
    spread = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("fsdp", "data"))
    whole = checksums({"a": jax.device_put(array), "step": jax.device_put(np.int32(7))})
    assert checksums({"a": jax.device_put(array, spread), "step": jax.device_put(np.int32(7))}) == whole
    for other in (array[::-1], -array, np.roll(array, 1)):
        assert checksums({"a": jax.device_put(other)})["a"] != whole["a"]


def test_flipped_bits_in_a_result_are_noticed(tmp_path):
    (tmp_path / PHASE).mkdir()
    write_result(tmp_path, Result(PHASE, 4, False, {"val": {"loss": 0.5, "accuracy": float("nan")}}))
    file = tmp_path / PHASE / "result.json"

    def read():
        return str(read_result(tmp_path, PHASE))

    assert not silent_flips([file], read, read(), 10 * SOME_FLIPS)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[" * 1000 + b"]" * 1000, "not valid JSON|expected fields"),
        (b"{}", "scores: expected names with settings, found None"),
        (json.dumps({"scores": {}, "phase": 3, "step": 1, "averaged": False}).encode(), "phase: expected str, found 3"),
        (b'{"scores": {"val": {"loss": "low"}}}', "scores.val.loss: expected float, found 'low'"),
        (b'{"scores": {}, "phase": ' + b'{"a":' * 60 + b"1" + b"}" * 61, "at most 50 levels"),
    ],
)
def test_what_is_no_result_is_named_with_its_field(tmp_path, content, message):
    (tmp_path / PHASE).mkdir()
    (tmp_path / PHASE / "result.json").write_bytes(content)
    with pytest.raises(SpecError, match=f"{PHASE}/result.json: .*({message})"):
        read_result(tmp_path, PHASE)


def test_checkpoint_of_other_shards_is_refused_unless_that_is_accepted(experiment, tmp_path):
    state = {"a": jax.device_put(np.zeros(3, np.float32))}
    with Checkpoints(tmp_path, experiment, PHASE, "these") as opened:
        opened.save(3, state, Progress())
        opened.wait()
        opened.check_shards(3)
    accepting = dataclasses.replace(experiment, data=dataclasses.replace(experiment.data, allow=("shards",)))
    for of, shards in ((experiment, None), (accepting, "others")):
        with Checkpoints(tmp_path, of, PHASE, shards) as opened:
            opened.check_shards(3)
    message = f"{tmp_path / '3'}: trained on other shards than data.dir holds now"
    with Checkpoints(tmp_path, experiment, PHASE, "others") as opened, pytest.raises(CheckpointError, match=message):
        opened.check_shards(3)

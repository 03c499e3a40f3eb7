"""Files of weights that mean harm, or were changed on the way: nothing is executed, nothing passes silently."""

import builtins
import importlib
import json
import pickle
import struct
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save

from mmae_jax.contract import warn_once
from mmae_jax.spec import SpecError
from mmae_jax.weights.source import open_weights
from mmae_jax.weights.tensor_file import metadata_of
from tests import runs
from tests.experiments import tensors_of

TINY = runs.tiny("nowhere")
PAYLOAD = "payload-of-a-test"
# What pickles have been seen to call, or could: a function and how many texts it is given.
CALLABLES = [
    *(("os", name) for name in ("system", "popen", "execv", "remove", "mkdir", "putenv", "listdir", "kill", "fork")),
    *(("posix", name) for name in ("system", "unlink")),
    *(("subprocess", name) for name in ("Popen", "call", "run", "check_output", "getoutput")),
    *(("builtins", name) for name in ("eval", "exec", "open", "compile", "__import__", "getattr", "setattr", "print")),
    *(("importlib", name) for name in ("import_module", "reload")),
    *(("shutil", name) for name in ("rmtree", "copyfile", "which")),
    *(("runpy", name) for name in ("run_path", "run_module")),
    *(("pathlib", name) for name in ("Path", "PosixPath")),
    ("io", "open"),
    ("socket", "create_connection"),
    ("urllib.request", "urlopen"),
    ("webbrowser", "open"),
    ("ctypes", "CDLL"),
    ("pty", "spawn"),
    ("code", "interact"),
    ("operator", "attrgetter"),
    ("functools", "partial"),
    ("types", "FunctionType"),
    ("codecs", "decode"),
    ("copyreg", "__newobj__"),
    ("numpy", "load"),
    ("torch", "load"),
    ("torch.hub", "load"),
    ("mmae_jax.weights.export", "write"),
]
TEXT = b"X" + struct.pack("<I", len(PAYLOAD)) + PAYLOAD.encode()


def _by(module, name):
    """The same call in the words of each protocol."""
    named = f"{module}\n{name}\n".encode()
    short = b"\x8c" + bytes([len(module)]) + module.encode() + b"\x8c" + bytes([len(name)]) + name.encode() + b"\x93"
    return {
        "REDUCE": b"c" + named + b"(" + TEXT + b"tR",
        "INST": b"(" + TEXT + b"i" + named,
        "OBJ": b"(c" + named + TEXT + b"o",
        "NEWOBJ": b"c" + named + b"(" + TEXT + b"t\x81",
        "STACK_GLOBAL": short + b"(" + TEXT + b"tR",
        "BUILD": b"c" + named + b")R" + TEXT + b"b",
    }


@pytest.fixture
def called(monkeypatch):
    """What was called with the payload."""
    found = []

    def watch(module, name):
        original = getattr(module, name)

        def watched(*arguments, **options):
            if any(PAYLOAD in str(one) for one in arguments if isinstance(one, (str, bytes))):
                found.append(name)
            return original(*arguments, **options)

        monkeypatch.setattr(module, name, watched)

    def watching(module, name):
        try:
            holder = importlib.import_module(module)
        except ImportError:
            return
        # Classes are told from functions by what is made of them, so only functions are watched.
        if not isinstance(getattr(holder, name, None), type) and holder is not builtins:
            watch(holder, name)

    watching.found = found
    return watching


@pytest.mark.parametrize("callable_", CALLABLES, ids=".".join)
def test_a_pickle_calls_nothing(callable_, called, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    called(*callable_)
    for kind, call in _by(*callable_).items():
        file = tmp_path / f"{kind}.pt"
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("x/data.pkl", b"\x80\x02}" + TEXT + call + b"s.")
        with pytest.raises(SpecError, match=r"cannot be read") as error:
            open_weights(file)
        assert "\n" not in str(error.value)
        assert not called.found
        assert sorted(path.name for path in tmp_path.iterdir()) == [file.name]
        file.unlink()


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02" + b"(" * 100_000 + b".",
        b"\x80\x04\x95" + b"\xff" * 8 + b".",
        b"\x80\x02Qs.",
        b"",
        b"\x80\x02\x82\x01.",
    ],
    ids=["nested", "frame without end", "persistent id", "empty", "extension"],
)
def test_a_pickle_that_is_none_is_refused(content, tmp_path):
    file = tmp_path / "bad.pt"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x/data.pkl", content)
    with pytest.raises(SpecError, match="cannot be read"):
        open_weights(file)
    file.write_bytes(content + pickle.dumps({}))
    with pytest.raises(SpecError, match="cannot be read"):
        open_weights(file)


@pytest.fixture(scope="module")
def exported():
    tensors = tensors_of(TINY)
    return tensors, save(tensors, metadata_of(tensors, TINY))


def header_of(content):
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def with_header(header, numbers):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + numbers


def cut(content, rng):
    return content[: rng.integers(len(content))]


def flipped(content, rng):
    changed = bytearray(content)
    changed[rng.integers(len(changed))] ^= 1 << rng.integers(8)
    return bytes(changed)


def swapped(content, rng):
    """Two tensors change names."""
    header, numbers = header_of(content)
    names = [name for name in header if name != "__metadata__"]
    one, other = rng.choice(names, 2, replace=False)
    header[one], header[other] = header[other], header[one]
    return with_header(header, numbers)


def reshaped(content, rng):
    header, numbers = header_of(content)
    name = rng.choice([name for name in header if name != "__metadata__" and len(header[name]["shape"]) > 1])
    header[name]["shape"] = header[name]["shape"][::-1]
    return with_header(header, numbers)


def retyped(content, rng):
    header, numbers = header_of(content)
    name = rng.choice([name for name in header if name != "__metadata__"])
    header[name]["dtype"] = str(rng.choice(["I32", "U32", "F16", "F64"]))
    return with_header(header, numbers)


def unsaid(content, rng):
    """A field of the metadata is lost or another's."""
    header, numbers = header_of(content)
    name = str(rng.choice(sorted(header["__metadata__"])))
    if name == "format":
        name = "experiment"
    header["__metadata__"][name] = header["__metadata__"][name][::-1] if rng.integers(2) else "{}"
    return with_header(header, numbers)


def shifted(content, rng):
    """Bytes are inserted or left out."""
    at = int(rng.integers(len(content)))
    return content[:at] + (b"\0\0\0\0" + content[at:] if rng.integers(2) else content[at + 4 :])


@pytest.mark.parametrize("change", [cut, flipped, swapped, reshaped, retyped, unsaid, shifted])
def test_a_changed_export_is_never_taken_for_it(change, exported, tmp_path):
    tensors, content = exported
    file, rng, messages = tmp_path / "changed.safetensors", np.random.default_rng(0), []
    for _ in range(160):
        file.write_bytes(changed := change(content, rng))
        warn_once.cache_clear()
        try:
            found = open_weights(file)
        except SpecError as error:
            messages.append(str(error))
            continue
        # Spaces and the order of names do not matter; whatever else is changed must be noticed.
        assert found.experiment == TINY, change
        same = found.tensors()
        assert same.keys() == tensors.keys(), changed[:60]
        assert all(same[name].tobytes() == array.tobytes() for name, array in tensors.items())
    assert len(messages) > 100
    assert all("\n" not in message and str(file) in message for message in messages)

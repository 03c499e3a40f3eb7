"""Files of tensors with PyTorch names: exports and PyTorch's own."""

from __future__ import annotations

import json
from collections.abc import Mapping

import google_crc32c
import jax.numpy as jnp
import numpy as np
from etils import epath
from safetensors import safe_open
from safetensors.numpy import save

from mmae_jax.config import experiment_from_config, to_plain
from mmae_jax.formats import VERSION_KEY, format_version, sealed, unsealed
from mmae_jax.spec import Experiment, SpecError
from mmae_jax.spec.error import first_line
from mmae_jax.weights.torch_file import read_torch, without_prefixes

TORCH_SUFFIXES = (".pt", ".pth", ".ckpt")
SUFFIXES = (".safetensors", *TORCH_SUFFIXES)
MODEL_FILE = "model.safetensors"
"""In an exported folder."""
FORMAT_VERSION = 1
"""Of the metadata of exported `.safetensors` files."""
CHECKSUMS = "crc32c"
"""In these metadata: name of the tensor → `_checksum`, as JSON."""


class WeightsError(SpecError):
    """There are no weights that can be read; the message names the folder or file."""


def read_tensors(file: epath.Path, averaged: bool = False) -> tuple[dict[str, np.ndarray], Experiment | None]:
    """Returns PyTorch name → array, and the experiment they were trained in; None where the file does not say.

    Args:
      file: one of `SUFFIXES`.
      averaged: take the moving average that a checkpoint of the reference holds beside the weights.

    Raises:
      WeightsError: the file cannot be read, needs PyTorch, or was written by another version of mmae_jax.
    """
    try:
        return (
            _read_safetensors(file, averaged) if file.suffix == ".safetensors" else (read_torch(file, averaged), None)
        )
    except WeightsError:
        raise
    except Exception as error:
        text = first_line(error) or type(error).__name__
        raise WeightsError(f"{file} cannot be read ({text})") from error


def metadata_of(tensors: Mapping[str, np.ndarray], experiment: Experiment) -> dict[str, str]:
    """Returns what an exported `.safetensors` file says of itself: the experiment, and a checksum of each tensor."""
    metadata = {
        "format": "pt",
        VERSION_KEY: str(FORMAT_VERSION),
        "experiment": json.dumps(to_plain(experiment)),
        CHECKSUMS: json.dumps({name: _checksum(tensor) for name, tensor in sorted(tensors.items())}),
    }
    return sealed(metadata)


def safetensors_of(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> bytes:
    """Returns the content of a `.safetensors` file: of the same tensors and metadata, the same bytes.

    The library puts metadata in another order at each call.
    """
    content = save(dict(tensors), dict(metadata))
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    stored = header.pop("__metadata__", {})
    text = json.dumps({"__metadata__": dict(sorted(stored.items())), **header}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[end:]


def _checksum(tensor: np.ndarray) -> str:
    """Returns the CRC-32C of a tensor with its data type and shape, 8 hexadecimal digits."""
    layout = google_crc32c.value(f"{tensor.dtype.str}{tensor.shape}".encode())
    return f"{google_crc32c.extend(layout, tensor.tobytes()):08x}"


def check_numbers(tensors: Mapping[str, np.ndarray], file: epath.Path) -> None:
    """Raises a `WeightsError` at the first tensor that holds no weights: integers, or numbers that are not finite."""
    for name, tensor in tensors.items():
        if not jnp.issubdtype(tensor.dtype, jnp.floating):
            raise WeightsError(f"{file}: {name}: expected floating-point numbers, found {tensor.dtype}")
        with np.errstate(over="ignore"):
            bad = int((~np.isfinite(tensor.astype(np.float32))).sum())
        if bad:
            raise WeightsError(f"{file}: {name}: expected finite float32 numbers, found {bad} that are not")


def _read_safetensors(file: epath.Path, averaged: bool) -> tuple[dict[str, np.ndarray], Experiment | None]:
    with safe_open(str(file), framework="numpy") as opened:
        metadata = opened.metadata() or {}
        format_version(metadata, FORMAT_VERSION, file, WeightsError)
        metadata = unsealed(metadata, file, WeightsError)
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    _check_tensors(tensors, metadata, file)
    return without_prefixes(tensors, file, averaged), _experiment(metadata, file)


def _check_tensors(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str], file: epath.Path) -> None:
    """Stops where tensors are not those that were exported; files of others and of older versions tell no checksums."""
    if CHECKSUMS not in metadata:
        return
    expected = json.loads(metadata[CHECKSUMS])
    for name in {**expected, **tensors}:
        found = _checksum(tensors[name]) if name in tensors else "nothing"
        if found != expected.get(name):
            raise WeightsError(
                f"{file}: {name} is damaged: expected checksum {expected.get(name)}, found {found}; export it again"
            )


def _experiment(metadata: Mapping[str, str], file: epath.Path) -> Experiment | None:
    if "experiment" not in metadata:
        return None
    try:
        return experiment_from_config(json.loads(metadata["experiment"]))
    except SpecError as error:
        raise WeightsError(
            f"{file}: exported by another version of mmae_jax, export the run again with this one: {error}"
        ) from error

"""Files of tensors with PyTorch names: exports and PyTorch's own."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
from etils import epath
from safetensors import safe_open

from mmae_jax.config import experiment_from_config
from mmae_jax.formats import format_version
from mmae_jax.spec import Experiment, SpecError

TORCH_SUFFIXES = (".pt", ".pth", ".ckpt")
SUFFIXES = (".safetensors", *TORCH_SUFFIXES)
LIGHTNING_PREFIX = "model."
FORMAT_VERSION = 1
"""Of the metadata of exported `.safetensors` files."""


class WeightsError(SpecError):
    """There are no weights that can be read; the message names the folder or file."""


def read_tensors(file: epath.Path) -> tuple[dict[str, np.ndarray], Experiment | None]:
    """Returns PyTorch name → array, and the experiment they were trained in; None where the file does not say.

    Raises:
      WeightsError: the file cannot be read, needs PyTorch, or was written by another version of mmae_jax.
    """
    try:
        return _read_safetensors(file) if file.suffix == ".safetensors" else (_read_torch(file), None)
    except SpecError:
        raise
    except Exception as error:
        text = next(iter(str(error).splitlines()), type(error).__name__)
        raise WeightsError(f"{file} cannot be read ({text})") from error


def _read_safetensors(file: epath.Path) -> tuple[dict[str, np.ndarray], Experiment | None]:
    with safe_open(str(file), framework="numpy") as opened:
        experiment = _experiment(opened.metadata() or {}, file)
        return {name: opened.get_tensor(name) for name in opened.keys()}, experiment  # noqa: SIM118


def _experiment(metadata: Mapping[str, str], file: epath.Path) -> Experiment | None:
    if "experiment" not in metadata:
        return None
    format_version(metadata, FORMAT_VERSION, file, WeightsError)
    try:
        return experiment_from_config(json.loads(metadata["experiment"]))
    except SpecError as error:
        raise WeightsError(
            f"{file}: exported by another version of mmae_jax, export the run again with this one: {error}"
        ) from error


def _read_torch(file: epath.Path) -> dict[str, np.ndarray]:
    try:
        import torch
    except ImportError as error:
        raise WeightsError(f"reading {file} needs PyTorch, `pip install 'mmae_jax[torch]'`") from error
    stored = torch.load(file, map_location="cpu", weights_only=True)
    if "state_dict" in stored:
        names = (name for name in stored["state_dict"] if name.startswith(LIGHTNING_PREFIX))
        stored = {name.removeprefix(LIGHTNING_PREFIX): stored["state_dict"][name] for name in names}
    return {name: tensor.numpy() for name, tensor in stored.items()}

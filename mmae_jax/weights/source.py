"""Parameters of another run, or of the reference, as a start (`config.init_from`)."""

from __future__ import annotations

import json

import jax
import numpy as np
from etils import epath
from flax import nnx
from safetensors import safe_open

from mmae_jax import parallel
from mmae_jax.config import experiment_from_config
from mmae_jax.contract import check_contract
from mmae_jax.models.params import abstract_model, by_path, from_paths
from mmae_jax.spec import PHASES, Experiment, SpecError
from mmae_jax.weights import torch_names as torch_weights
from mmae_jax.weights.checkpoint import load_params, open_experiment
from mmae_jax.weights.result import read_result

TORCH_SUFFIXES = (".pt", ".pth", ".ckpt")
LIGHTNING_PREFIX = "model."


def load_initial(experiment: Experiment, mesh: jax.sharding.Mesh) -> nnx.State:
    """Returns the parameters in `init_from`.

    That is the workdir of a run, a `.safetensors` file with PyTorch names, or a PyTorch file (extra `torch`) with the
    reference's state dict, bare or in a Lightning checkpoint.

    Raises:
      SpecError: nothing can be loaded from there, or it does not match the model; the message lists what.
    """
    assert experiment.init_from is not None, "asked for by the configuration"
    source = epath.Path(experiment.init_from)
    if not source.exists():
        raise SpecError(f"init_from: {source} not found")
    if source.suffix in (".safetensors", *TORCH_SUFFIXES):
        return _from_tensors(_read_tensors(source, experiment), experiment, mesh)
    for phase in reversed(PHASES):
        result = read_result(source, phase)
        if result is not None:
            checkpoints = source / phase / "checkpoints"
            stored = open_experiment(checkpoints).dataset
            check_contract(experiment.dataset, stored, checkpoints, experiment.data.allow)
            return load_params(checkpoints, result.step, experiment, mesh, averaged=False)
    raise SpecError(
        f"init_from: expected a workdir with a finished phase, a .safetensors file or a PyTorch file, found {source}"
    )


def _read_tensors(file: epath.Path, experiment: Experiment) -> dict[str, np.ndarray]:
    try:
        return _read_safetensors(file, experiment) if file.suffix == ".safetensors" else _read_torch(file)
    except SpecError:
        raise
    except Exception as error:
        text = next(iter(str(error).splitlines()), type(error).__name__)
        raise SpecError(f"init_from: {file} cannot be read ({text})") from error


def _read_safetensors(file: epath.Path, experiment: Experiment) -> dict[str, np.ndarray]:
    with safe_open(str(file), framework="numpy") as tensors:
        metadata = tensors.metadata() or {}
        if "experiment" in metadata:
            exported = experiment_from_config(json.loads(metadata["experiment"]))
            check_contract(experiment.dataset, exported.dataset, str(file), experiment.data.allow)
        return {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118


def _read_torch(file: epath.Path) -> dict[str, np.ndarray]:
    try:
        import torch
    except ImportError as error:
        raise SpecError(f"init_from: reading {file} needs PyTorch, `pip install 'mmae_jax[torch]'`") from error
    stored = torch.load(file, map_location="cpu", weights_only=True)
    if "state_dict" in stored:
        names = (name for name in stored["state_dict"] if name.startswith(LIGHTNING_PREFIX))
        stored = {name.removeprefix(LIGHTNING_PREFIX): stored["state_dict"][name] for name in names}
    return {name: tensor.numpy() for name, tensor in stored.items()}


def _from_tensors(tensors: dict[str, np.ndarray], experiment: Experiment, mesh: jax.sharding.Mesh) -> nnx.State:
    _, abstract = abstract_model(experiment)
    shapes = {path: leaf.shape for path, leaf in by_path(abstract).items()}
    params = from_paths(torch_weights.from_state_dict(tensors, shapes, experiment), abstract)
    return jax.device_put(params, parallel.shardings(abstract, mesh))

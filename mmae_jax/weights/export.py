"""Writing the weights of a run with PyTorch names, for every other framework."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from absl import logging
from etils import epath

from mmae_jax.formats import written_whole
from mmae_jax.spec import PHASES, Experiment, SpecError
from mmae_jax.weights.pytorch.config import PARTS
from mmae_jax.weights.pytorch.folder import write_folder
from mmae_jax.weights.result import Result, read_result
from mmae_jax.weights.source import Weights, open_weights
from mmae_jax.weights.tensor_file import WeightsError, metadata_of, safetensors_of

FILE_SUFFIXES = (".safetensors", ".pt")
"""Of the files that are written."""
EXPORTED = "mmae"
"""The encoder whose weights have PyTorch names."""


def export(
    workdir: epath.PathLike,
    out: epath.PathLike,
    phase: str | None = None,
    averaged: bool | None = None,
    parts: tuple[str, ...] = PARTS,
    dtype: str = "float32",
    graphs: tuple[str, ...] = (),
) -> None:
    """Writes the chosen checkpoint of a finished phase to `out`, atomically.

    Args:
      workdir: folder of the run, or exported weights.
      out: file that ends in `.safetensors` or `.pt`; any other name without an ending is that of a folder.
      phase: the last finished phase if None.
      averaged: write the moving average of the weights; as the phase was scored if None.
      parts: which of `PARTS` a folder holds.
      dtype: data type of the weights in a folder, `float32` or `bfloat16`.
      graphs: what else a folder holds, some of `onnx` and `pt2`.

    Raises:
      SpecError: no such phase is finished, or `out` has another ending.
    """
    folder, out = str(out).endswith("/") or not epath.Path(out).suffix, epath.Path(out)
    if folder:
        weights = _trained(workdir, phase, averaged)
        assert weights.experiment is not None, "just checked"
        result = _result(epath.Path(workdir), phase)
        write_folder(weights.arrays(), weights.experiment, out, parts, dtype, result, graphs)
        return
    if out.suffix not in FILE_SUFFIXES:
        raise SpecError(f"--out: expected a file that ends in .safetensors or .pt, or a folder, found {out}")
    if (parts, dtype, graphs) != (PARTS, "float32", ()):
        raise SpecError(f"--out: expected a folder for --parts, --dtype, --onnx and --pt2, found the file {out}")
    tensors, experiment = state_dict(workdir, phase, averaged)
    write(tensors, experiment, out)
    logging.info("wrote %d tensors, %d parameters to %s", len(tensors), sum(t.size for t in tensors.values()), out)


def write(tensors: Mapping[str, np.ndarray], experiment: Experiment, out: epath.PathLike) -> None:
    """Writes PyTorch name → array to a `.safetensors` or `.pt` file, whole or not at all."""
    out = epath.Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(out) as beside:
        if out.suffix == ".pt":
            _save_torch(tensors, beside)
        else:
            beside.write_bytes(safetensors_of(tensors, metadata_of(tensors, experiment)))


def state_dict(
    workdir: epath.PathLike, phase: str | None = None, averaged: bool | None = None
) -> tuple[dict[str, np.ndarray], Experiment]:
    """Returns PyTorch name → float32 array of a finished phase, and its experiment; arguments as of `export`."""
    weights = _trained(workdir, phase, averaged)
    assert weights.experiment is not None, "just checked"
    return weights.tensors(), weights.experiment


def _trained(workdir: epath.PathLike, phase: str | None, averaged: bool | None) -> Weights:
    """Opens weights that say for which experiment they are, and whose tensors have PyTorch names."""
    weights = open_weights(workdir, phase, averaged=averaged)
    if weights.experiment is None:
        raise WeightsError(f"{weights.where}: does not say for which experiment its weights are; expected a run")
    encoder = weights.experiment.model.encoder
    if encoder != EXPORTED:
        raise SpecError(f"model.encoder: expected {EXPORTED}, whose weights have PyTorch names, found {encoder!r}")
    return weights


def _result(workdir: epath.Path, phase: str | None) -> Result | None:
    """Returns what the exported phase ended with; None where weights were exported before."""
    phases = reversed(PHASES) if phase is None else (phase,)
    return next((found for name in phases if (found := read_result(workdir, name)) is not None), None)


def _save_torch(tensors: Mapping[str, np.ndarray], file: epath.Path) -> None:
    try:
        import torch
    except ImportError as error:
        raise SpecError(
            "--out: a .pt file needs PyTorch, `pip install 'mmae_jax[torch]'`, or write .safetensors"
        ) from error
    torch.save({name: torch.from_numpy(array.astype(np.float32)) for name, array in tensors.items()}, file)

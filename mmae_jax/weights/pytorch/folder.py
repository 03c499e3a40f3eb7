"""An exported folder: weights, and all that answers by them where this program is not."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from absl import logging
from etils import epath

from mmae_jax.models.params import Path as ParamPath
from mmae_jax.spec import Experiment, SpecError
from mmae_jax.weights import torch_names
from mmae_jax.weights.pytorch import card, stac
from mmae_jax.weights.pytorch.config import PARTS, config_of, part_of
from mmae_jax.weights.pytorch.golden import golden_tensors
from mmae_jax.weights.result import Result
from mmae_jax.weights.tensor_file import MODEL_FILE, metadata_of, safetensors_of

GOLDEN_FILE = "golden.safetensors"
GRAPHS = {"onnx": ("torch", "onnx", "onnxscript", "onnxruntime"), "pt2": ("torch",)}
"""Kind of a graph → the libraries that it needs, in the extra `onnx`."""
GRAPH_FILES = {"onnx": ("model.onnx", "model_float16.onnx"), "pt2": ("model.pt2",)}
"""Kind of a graph → its files."""
PROGRAMS = ("modeling_mmae.py", "check.py")
"""Files that are copied from here."""


def write_folder(
    params: Mapping[ParamPath, np.ndarray],
    experiment: Experiment,
    out: epath.PathLike,
    parts: tuple[str, ...] = PARTS,
    dtype: str = "float32",
    result: Result | None = None,
    graphs: tuple[str, ...] = (),
) -> None:
    """Writes a folder, whole or not at all.

    Args:
      params: the parameters by path.
      experiment: what they belong to.
      out: the folder, which does not exist yet.
      parts: which of `PARTS` are written.
      dtype: data type of the weights, `float32` or `bfloat16`.
      result: what training them ended with, for the model card.
      graphs: which of `GRAPHS` are written, and checked.

    Raises:
      SpecError: `out` exists, or a graph cannot be written or deviates.
    """
    _check_libraries(graphs)
    out, kind = epath.Path(out), jnp.dtype(dtype)
    # The golden numbers are those of the weights that are written.
    params = {path: np.asarray(array).astype(kind).astype(np.float32) for path, array in params.items()}
    state = torch_names.to_state_dict(params, experiment)
    tensors = {name: tensor.astype(kind) for name, tensor in state.items() if part_of(name) in parts}
    if not experiment.targets:
        parts = tuple(part for part in parts if part != "heads")
    golden = golden_tensors(params, experiment, parts)
    files = {
        MODEL_FILE: safetensors_of(tensors, metadata_of(tensors, experiment)),
        GOLDEN_FILE: safetensors_of(golden, {}),
        **{name: (Path(__file__).parent / name).read_bytes() for name in PROGRAMS},
    }
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    config = config_of(experiment, parts, dtype, sums)
    size = sum(tensor.size for tensor in tensors.values())
    texts = {
        "config.json": json.dumps(config, indent=2, ensure_ascii=False) + "\n",
        "README.md": card.model_card(
            experiment, config, size, result, [f for kind in graphs for f in GRAPH_FILES[kind]]
        ),
        "mlm.json": json.dumps(stac.item(experiment, config, size), indent=2, ensure_ascii=False) + "\n",
    }
    with _written_whole(out) as beside:
        for name, content in files.items():
            (beside / name).write_bytes(content)
        for name, text in texts.items():
            (beside / name).write_text(text, encoding="utf-8")
        if graphs:
            from mmae_jax.weights.pytorch.graphs import write_graphs  # with PyTorch, which is an extra

            write_graphs(Path(beside), golden, onnx="onnx" in graphs, pt2="pt2" in graphs)
    logging.info("wrote %s: %d tensors, %d parameters", out, len(tensors), size)


@contextlib.contextmanager
def _written_whole(out: epath.Path) -> Iterator[epath.Path]:
    """Gives a folder beside `out` to write to: it becomes `out` at the end, or is removed where that is not reached."""
    if out.exists():
        raise SpecError(f"--out: {out} exists; remove it, or name another folder")
    beside = out.with_name(f"{out.name}.tmp")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        beside.mkdir(parents=True)
        yield beside
        beside.rename(out)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def _check_libraries(graphs: tuple[str, ...]) -> None:
    for kind in graphs:
        if missing := [name for name in GRAPHS[kind] if importlib.util.find_spec(name) is None]:
            raise SpecError(f"--{kind} needs {', '.join(missing)}: `pip install 'mmae_jax[onnx]'`")

"""The model of an exported folder as graphs that need no Python: ONNX, and PyTorch's `.pt2`."""

from __future__ import annotations

import logging as python_logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from absl import logging

from mmae_jax.weights.pytorch.modeling_mmae import Model, filled
from mmae_jax.weights.tensor_file import WeightsError

TOLERANCES = {"float32": 1e-4, "float16": 1e-2}
"""Data type of a graph → the largest deviation that passes, as a share of the largest number expected."""
OPSET = 20


class Graph(torch.nn.Module):
    """A model whose inputs and outputs are tensors one after the other, rather than by name.

    Attributes:
      names: names of the inputs, part and input with a slash between.
      outputs: names of the outputs: targets, or inputs where there are no heads.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model
        self.names = [f"{part}/{name}" for name in model.inputs for part in ("inputs", "dates", "valid")]
        self.names += [f"base/{name}" for name, spec in model.inputs.items() if spec.quantum is not None]
        self.names += ["ref_date"]
        self.outputs = list(model.config["targets"] or model.inputs)

    def forward(self, *arrays: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Returns what `predict` does, or `encode` where there are no heads."""
        samples: dict[str, Any] = {part: {} for part in ("inputs", "dates", "valid", "base")}
        for path, array in zip(self.names[:-1], arrays[:-1], strict=True):
            part, _, name = path.partition("/")
            samples[part][name] = array
        samples["ref_date"] = arrays[-1]
        found = self.model.predict(samples) if self.model.heads else self.model.encode(samples)
        return tuple(found[name].float() for name in self.outputs)


def write_graphs(folder: Path, golden: Mapping[str, np.ndarray], *, onnx: bool, pt2: bool) -> None:
    """Writes `model.onnx` and `model_float16.onnx`, or `model.pt2`, into an exported folder, and checks each.

    Args:
      folder: the folder, with weights and config.
      golden: its golden numbers.
      onnx: whether the ONNX files are written.
      pt2: whether `model.pt2` is written.

    Raises:
      WeightsError: an output deviates from the golden numbers by more than is allowed.
    """
    graph = Graph(Model.from_pretrained(folder, torch.float32).requires_grad_(False))
    arrays, outputs = _arrays(graph, golden), graph.outputs
    kind = "logits" if graph.model.heads else "tokens"
    expected = [golden[f"{kind}/{name}"] for name in outputs]
    program = _program(graph, arrays)
    if pt2:
        torch.export.save(program, folder / "model.pt2")
        found = torch.export.load(folder / "model.pt2").module()(*arrays)
        _check("model.pt2", outputs, [x.numpy() for x in found], expected, "float32")
    if onnx:
        _write_onnx(program, graph, folder / "model.onnx")
        _check("model.onnx", outputs, _run_onnx(folder / "model.onnx", graph.names, arrays), expected, "float32")
        half = folder / "model_float16.onnx"
        _write_onnx(_program(graph.to(torch.float16), arrays), graph, half)
        _check(half.name, outputs, _run_onnx(half, graph.names, arrays), expected, "float16")


def _program(graph: Graph, arrays: tuple[torch.Tensor, ...]) -> torch.export.ExportedProgram:
    """Returns the graph as PyTorch traces it, for any number of samples."""
    batch = torch.export.Dim("batch", min=1)
    return torch.export.export(graph, arrays, dynamic_shapes=(tuple({0: batch} for _ in arrays),))


def _arrays(graph: Graph, golden: Mapping[str, np.ndarray]) -> tuple[torch.Tensor, ...]:
    """Returns the golden samples as a graph takes them: float32 values without holes."""
    arrays = {name: torch.from_numpy(np.array(golden.get(name, golden["ref_date/ref_date"]))) for name in graph.names}
    for name, spec in graph.model.inputs.items():
        arrays[f"inputs/{name}"], _ = filled(arrays[f"inputs/{name}"], spec.nodata, None)
        arrays[f"dates/{name}"] = arrays[f"dates/{name}"].int()
    arrays["ref_date"] = arrays["ref_date"].int()
    return tuple(arrays[name] for name in graph.names)


def _write_onnx(program: torch.export.ExportedProgram, graph: Graph, file: Path) -> None:
    names: dict[str, Any] = {"input_names": graph.names, "output_names": graph.outputs}
    python_logging.getLogger("torch.onnx").setLevel(python_logging.ERROR)  # it tells of what is not installed
    written = torch.onnx.export(program, dynamo=True, opset_version=OPSET, verbose=False, **names)
    assert written is not None, "as it is traced already"
    written.save(str(file))


def _run_onnx(file: Path, names: list[str], arrays: tuple[torch.Tensor, ...]) -> list[np.ndarray]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    given = {name: array.numpy() for name, array in zip(names, arrays, strict=True)}
    whole = session.run(None, {name: given[name] for name in (node.name for node in session.get_inputs())})
    return [np.asarray(array) for array in whole]


def _check(file: str, names: list[str], found: list[np.ndarray], expected: list[np.ndarray], dtype: str) -> None:
    for name, array, wanted in zip(names, found, expected, strict=True):
        deviation = float(np.abs(array - wanted).max() / max(np.abs(wanted).max(), 1e-30))
        logging.info("%s: %s deviates by %.1e", file, name, deviation)
        if not deviation <= TOLERANCES[dtype]:
            raise WeightsError(
                f"{file}: {name}: expected a deviation of at most {TOLERANCES[dtype]}, found {deviation:.1e}"
            )

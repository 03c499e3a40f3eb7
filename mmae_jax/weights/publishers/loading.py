"""A foundation model's parameters from its publisher's tensors, or from a run: nothing is random unless it is new."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from mmae_jax.models.params import HEADS, Path, abstract_model, by_path
from mmae_jax.spec import FOUNDATION_MODELS, Experiment, SpecError
from mmae_jax.weights.publishers.names import Tensors
from mmae_jax.weights.publishers.table import NAMES
from mmae_jax.weights.torch_names import LISTED, Weight, filled
from mmae_jax.weights.transfer import LoadReport, Row
from mmae_jax.weights.transfer.load_report import DRAWN, LOADED, UNUSED

NEW_KERNEL = "new_kernel"
"""Last name of the parameters that embed bands which a model never saw."""
Found = tuple[dict[Path, np.ndarray], LoadReport]
"""Path → array of what is not drawn, and what became of every tensor."""


def where_published(encoder: str) -> str:
    """Returns where the weights of a foundation model are to be had; empty for the masked autoencoder."""
    if encoder not in FOUNDATION_MODELS:
        return ""
    published = FOUNDATION_MODELS[encoder]
    return f"weights of {published.title} are {published.file} (licence {published.licence}), to be fetched by you"


def from_publisher(tensors: Tensors, experiment: Experiment, where: object) -> Found:
    """Returns the parameters that a publisher's tensors give.

    Args:
      tensors: publisher's name → array.
      experiment: gives encoder and inputs.
      where: the file, for messages.

    Raises:
      SpecError: lists tensors that are missing or of another shape.
    """
    names = NAMES[experiment.model.encoder]
    tensors = names.renamed(tensors)
    table = names.weights(experiment)
    _check(tensors, table, f"{where}: no weights of {FOUNDATION_MODELS[experiment.model.encoder].title}")
    names.check(tensors, experiment)
    shapes = _shapes(experiment)
    taken = filled(tensors, {weight.path: shapes[weight.path] for weight in table}, table)
    rows = [Row(_dotted(one), LOADED, one.name, tensors[one.name].shape, _shape(one, shapes)) for one in table]
    used = {weight.name for weight in table}
    for name in sorted(tensors.keys() - used):
        how = "not used by this encoder" if name.startswith(names.dropped) else "unknown"
        rows.append(Row("", UNUSED, name, tensors[name].shape, None, how))
    return _with_new(taken, rows, experiment, where)


def from_run(arrays: Mapping[Path, np.ndarray], experiment: Experiment, where: object) -> Found:
    """Returns the parameters that a run of the same encoder gives; its heads where they have the same shape.

    Raises:
      SpecError: lists parameters that are missing or of another shape.
    """
    shapes = _shapes(experiment)
    taken = {path: array for path, array in arrays.items() if shapes.get(path) == array.shape}
    rows = [
        Row(".".join(map(str, path)), LOADED, ".".join(map(str, path)), a.shape, a.shape) for path, a in taken.items()
    ]
    for path in arrays.keys() - taken.keys():
        rows.append(Row("", UNUSED, ".".join(map(str, path)), arrays[path].shape, None))
    return _with_new(taken, rows, experiment, where)


def _shapes(experiment: Experiment) -> dict[Path, tuple[int, ...]]:
    return {path: leaf.shape for path, leaf in by_path(abstract_model(experiment)[1]).items()}


def _check(tensors: Tensors, table: list[Weight], problem: str) -> None:
    expected = {weight.name: weight.shape for weight in table}
    wrong = list(_differences(tensors, expected))
    if wrong:
        more = [f"… and {len(wrong) - LISTED} more"] if len(wrong) > LISTED else []
        raise SpecError(
            "\n  ".join([f"{problem}: of {len(expected)} tensors, {len(wrong)} differ", *wrong[:LISTED], *more])
        )


def _differences(tensors: Tensors, expected: Mapping[str, tuple[int, ...]]) -> Iterator[str]:
    for name, shape in expected.items():
        if name not in tensors:
            yield f"missing {name} {shape}"
        elif tensors[name].shape != shape:
            yield f"{name}: expected shape {shape}, found {tensors[name].shape}"


def _with_new(taken: dict[Path, np.ndarray], rows: list[Row], experiment: Experiment, where: object) -> Found:
    """Completes the report by what is drawn: heads, and embeddings of bands that the model never saw.

    Raises:
      SpecError: another parameter has no source.
    """
    missing = []
    for path, shape in _shapes(experiment).items():
        if path in taken:
            continue
        name = ".".join(map(str, path))
        if path[0] == HEADS or (path[-1] == NEW_KERNEL and path[0] == "patch_embed"):
            rows.append(Row(name, DRAWN, "", None, shape, "head" if path[0] == HEADS else "bands it never saw"))
        else:
            missing.append(f"missing {name} {shape}")
    if missing:
        raise SpecError("\n  ".join([f"{where}: has no weights for parts of this model", *missing[:LISTED]]))
    return taken, LoadReport(str(where), tuple(rows))


def _shape(weight: Weight, shapes: Mapping[Path, tuple[int, ...]]) -> tuple[int, ...]:
    """Returns the shape that a tensor has in the model."""
    return shapes[weight.path] if weight.layer is None else shapes[weight.path][1:]


def _dotted(weight: Weight) -> str:
    layer = () if weight.layer is None else (weight.layer,)
    return ".".join(map(str, (*weight.path, *layer)))

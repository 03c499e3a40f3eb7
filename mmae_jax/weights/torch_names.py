"""Names and shapes of the reference's PyTorch state dict, in both directions (docs/method.md §10).

Layers are stacked here and numbered there; this table is the only place that knows.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np

from mmae_jax.models.fusion import Fusion
from mmae_jax.models.heads import head_outputs
from mmae_jax.models.mmae import embeddings
from mmae_jax.models.params import Path
from mmae_jax.spec import Experiment, SpecError

LISTED = 6
"""Names that a message lists of each kind."""


@dataclasses.dataclass(frozen=True)
class Weight:
    """One tensor of the state dict and where it lives here.

    Attributes:
      name: PyTorch name.
      shape: PyTorch shape.
      path: path of our parameter.
      layer: index along the parameter's leading layer axis, None where it has none.
      kind: `same` numbers in the same order, `matrix` (ours `[..., in, out]`, PyTorch's `[... · out, in]`) or `patches`
        (ours `[P², bands, width]`, PyTorch's `[width, bands, P, P]`).
    """

    name: str
    shape: tuple[int, ...]
    path: Path
    layer: int | None = None
    kind: Literal["same", "matrix", "patches"] = "same"

    def to_torch(self, array: np.ndarray) -> np.ndarray:
        """Returns our array (of this layer) as PyTorch has it."""
        if self.kind == "matrix":
            array = array.swapaxes(-1, -2)
        elif self.kind == "patches":
            array = array.transpose(2, 1, 0)
        return np.ascontiguousarray(array.reshape(self.shape))

    def from_torch(self, tensor: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Returns a PyTorch tensor as our array of `shape` (of this layer)."""
        if self.kind == "matrix":
            tensor = tensor.reshape(*shape[:-2], shape[-1], shape[-2]).swapaxes(-1, -2)
        elif self.kind == "patches":
            tensor = tensor.reshape(*self.shape[:2], -1).transpose(2, 1, 0)
        return np.ascontiguousarray(tensor.reshape(shape))


def weights(experiment: Experiment) -> list[Weight]:
    """Returns every tensor of the reference's state dict for this experiment."""
    sizes = experiment.model.architecture
    names = Fusion.of(experiment).weight_names
    table = [*_embedding_weights(experiment)]
    encoder = (sizes.embed_dim, sizes.heads, sizes.dim_head, round(sizes.embed_dim * sizes.mlp_ratio))
    decoder = (sizes.decoder_dim, sizes.decoder_heads, sizes.decoder_dim_head)
    decoder_mlp = round(sizes.embed_dim * sizes.decoder_mlp_ratio)
    inter_depth = experiment.model.inter_depth
    for name in names:
        table += _transformer_weights(("encoder", name), sizes.depth - inter_depth, *encoder)
        table += _transformer_weights(("decoder", name), sizes.decoder_depth, *decoder, decoder_mlp)
        if sizes.embed_dim != sizes.decoder_dim:
            table += _linear(f"enc_to_dec.{name}", ("enc_to_dec", name), sizes.embed_dim, sizes.decoder_dim)
    if inter_depth:
        table += _transformer_weights(("encoder_inter",), inter_depth, *encoder)
    for name in experiment.targets:
        table += _head_weights(experiment, name)
    return table


def _embedding_weights(experiment: Experiment) -> Iterator[Weight]:
    sizes = experiment.model.architecture
    embed, decode = sizes.embed_dim, sizes.decoder_dim
    for name, modality in embeddings(experiment).items():
        patch = modality.patch_size
        for group, bands in enumerate(modality.group_lengths):
            torch, path = f"patch_embed.{name}.patchify_bands.{group}", ("patch_embed", name, "groups", group)
            yield Weight(f"{torch}.conv.weight", (embed, bands, patch, patch), (*path, "kernel"), kind="patches")
            yield Weight(f"{torch}.conv.bias", (embed,), (*path, "bias"))
            yield Weight(f"{torch}.norm.weight", (embed,), (*path, "norm_scale"))
            yield Weight(f"{torch}.norm.bias", (embed,), (*path, "norm_bias"))
            torch = f"embed_to_rec.{name}.pixelify_bands.{group}.conv"
            yield from _linear(torch, ("embed_to_rec", name, "groups", group), decode, bands * patch**2, conv=True)
    for name, modality in experiment.inputs.items():
        yield Weight(f"mask_token.{name}", (1, len(modality.bands), 1, 1, decode), ("mask_token", name))


def _linear(torch: str, path: Path, width_in: int, width_out: int, *, conv: bool = False) -> Iterator[Weight]:
    shape = (width_out, width_in, 1, 1) if conv else (width_out, width_in)
    yield Weight(f"{torch}.weight", shape, (*path, "kernel"), kind="matrix")
    yield Weight(f"{torch}.bias", (width_out,), (*path, "bias"))


def _norm(torch: str, path: Path, width: int) -> Iterator[Weight]:
    yield Weight(f"{torch}.weight", (width,), (*path, "scale"))
    yield Weight(f"{torch}.bias", (width,), (*path, "bias"))


def _transformer_weights(
    path: Path, depth: int, width: int, heads: int, dim_head: int, mlp_width: int
) -> Iterator[Weight]:
    torch, inner = ".".join(map(str, path)), heads * dim_head
    yield from _norm(f"{torch}.norm", (*path, "norm"), width)
    blocks = (*path, "blocks")
    for layer in range(depth):
        attention, mlp = f"{torch}.layers.{layer}.0", f"{torch}.layers.{layer}.1.net"
        yield Weight(f"{attention}.norm.weight", (width,), (*blocks, "attention_norm_scale"), layer)
        yield Weight(f"{attention}.norm.bias", (width,), (*blocks, "attention_norm_bias"), layer)
        yield Weight(f"{attention}.to_qkv.weight", (3 * inner, width), (*blocks, "qkv_kernel"), layer, "matrix")
        if not (heads == 1 and dim_head == width):
            yield Weight(f"{attention}.to_out.0.weight", (width, inner), (*blocks, "out_kernel"), layer, "matrix")
            yield Weight(f"{attention}.to_out.0.bias", (width,), (*blocks, "out_bias"), layer)
        yield Weight(f"{mlp}.0.weight", (width,), (*blocks, "mlp_norm_scale"), layer)
        yield Weight(f"{mlp}.0.bias", (width,), (*blocks, "mlp_norm_bias"), layer)
        yield Weight(f"{mlp}.1.weight", (mlp_width, width), (*blocks, "up_kernel"), layer, "matrix")
        yield Weight(f"{mlp}.1.bias", (mlp_width,), (*blocks, "up_bias"), layer)
        yield Weight(f"{mlp}.4.weight", (width, mlp_width), (*blocks, "down_kernel"), layer, "matrix")
        yield Weight(f"{mlp}.4.bias", (width,), (*blocks, "down_bias"), layer)


def _head_weights(experiment: Experiment, name: str) -> Iterator[Weight]:
    width = experiment.model.architecture.embed_dim
    torch, path = f"heads.{name}", ("heads", name)
    if experiment.model.head == "attentive":
        pool = (*path, "pool")
        yield Weight(f"{torch}.reduce.query", (width,), (*pool, "query"))
        yield from _norm(f"{torch}.reduce.norm", (*pool, "norm"), width)
        yield from _norm(f"{torch}.reduce.norm_fc", (*pool, "norm_out"), width)
        yield Weight(f"{torch}.reduce.to_kv.weight", (2 * width, width), (*pool, "to_kv", "kernel"), kind="matrix")
    raster = experiment.dataset.targets[name].is_raster
    linear = f"{torch}.conv" if raster else f"{torch}.linear"
    yield from _linear(linear, (*path, "linear"), width, head_outputs(experiment, name), conv=raster)


def to_state_dict(params: Mapping[Path, np.ndarray], experiment: Experiment) -> dict[str, np.ndarray]:
    """Returns the reference's state dict.

    Args:
      params: our parameters by path.
      experiment: what they belong to.

    Returns:
      PyTorch name → float32 array; sorted as in the table of `weights`.

    Raises:
      SpecError: lists parameters without a PyTorch name.
    """
    table = weights(experiment)
    unmatched = set(params) - {weight.path for weight in table}
    if unmatched:
        raise SpecError("parameters without a PyTorch name: " + ", ".join(sorted(map(_dotted, unmatched))))
    tensors = {}
    for weight in table:
        array = np.asarray(params[weight.path], np.float32)
        tensors[weight.name] = weight.to_torch(array if weight.layer is None else array[weight.layer])
    return tensors


def from_state_dict(
    tensors: Mapping[str, np.ndarray], shapes: Mapping[Path, tuple[int, ...]], experiment: Experiment
) -> dict[Path, np.ndarray]:
    """Returns our parameters from the reference's state dict.

    Args:
      tensors: PyTorch name → array.
      shapes: path → shape of our parameters.
      experiment: what they belong to.

    Raises:
      SpecError: lists names that are missing, unknown, or of another shape.
    """
    table = weights(experiment)
    expected = {weight.name: weight.shape for weight in table}
    missing = [f"missing {name} {expected[name]}" for name in expected if name not in tensors]
    unknown = [f"unknown {name} {tensors[name].shape}" for name in tensors if name not in expected]
    shapes_differ = [
        f"{name}: expected shape {shape}, found {tensors[name].shape}"
        for name, shape in expected.items()
        if name in tensors and tensors[name].shape != shape
    ]
    if missing or unknown or shapes_differ:
        raise SpecError(
            f"PyTorch weights do not match the model: of {len(expected)}, {len(missing)} are missing and "
            f"{len(shapes_differ)} of another shape; {len(unknown)} are unknown"
            + "".join(_first_of(lines) for lines in (missing, unknown, shapes_differ))
        )
    return parameters(tensors, shapes, experiment)


def parameters(
    tensors: Mapping[str, np.ndarray], shapes: Mapping[Path, tuple[int, ...]], experiment: Experiment
) -> dict[Path, np.ndarray]:
    """Returns those of our parameters whose tensors are all there; arguments as of `from_state_dict`, shapes agree."""
    return filled(tensors, shapes, weights(experiment))


def filled(
    tensors: Mapping[str, np.ndarray], shapes: Mapping[Path, tuple[int, ...]], table: Sequence[Weight]
) -> dict[Path, np.ndarray]:
    """Returns those of our parameters whose tensors, as a table names them, are all there; shapes agree."""
    absent = {weight.path for weight in table if weight.name not in tensors}
    params = {path: np.empty(shape, np.float32) for path, shape in shapes.items() if path not in absent}
    for weight in table:
        if weight.path in absent:
            continue
        shape = shapes[weight.path]
        if weight.layer is None:
            params[weight.path][...] = weight.from_torch(tensors[weight.name], shape)
        else:
            params[weight.path][weight.layer] = weight.from_torch(tensors[weight.name], shape[1:])
    return params


def _first_of(lines: Sequence[str]) -> str:
    """Returns the first lines of a list, so that a message stays on a screen."""
    more = [f"… and {len(lines) - LISTED} more"] if len(lines) > LISTED else []
    return "".join(f"\n  {line}" for line in (*lines[:LISTED], *more))


def count_parameters(experiment: Experiment) -> int:
    """Returns the number of parameters of the reference's model."""
    return sum(math.prod(weight.shape) for weight in weights(experiment))


def _dotted(path: Path) -> str:
    return ".".join(map(str, path))

"""Names of CROMA, whose file is a dictionary of five state dicts."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mmae_jax.baselines.croma import OPTICAL_BANDS, RADAR_BANDS, optical_input, radar_inputs
from mmae_jax.parallel import Path
from mmae_jax.spec import FOUNDATION_MODELS, Experiment
from mmae_jax.weights.publishers.names import Names
from mmae_jax.weights.torch_names import Weight


class PixelKernel(Weight):
    """The kernel of a patch embedding that is a matrix over the pixels of a patch, those of a band side by side."""

    def from_torch(self, tensor: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Returns `[P², bands, E]`."""
        return np.ascontiguousarray(tensor.reshape(shape[::-1]).transpose(2, 1, 0))


def weights(experiment: Experiment) -> list[Weight]:
    """Returns every tensor, and where it goes."""
    depth = experiment.model.architecture.depth
    table: list[Weight] = []
    if optical_input(experiment) is not None:
        table += _image_encoder(experiment, "s2_encoder", "optical_encoder", len(OPTICAL_BANDS), depth)
    if radar_inputs(experiment):
        table += _image_encoder(experiment, "s1_encoder", "radar_encoder", len(RADAR_BANDS), depth // 2)
    if experiment.model.inter_depth:
        table += _blocks(experiment, "joint_encoder", ("joint_encoder",), depth // 2, joint=True)
    return table


def _image_encoder(experiment: Experiment, torch: str, ours: str, bands: int, depth: int) -> Iterator[Weight]:
    width, patch = experiment.model.architecture.embed_dim, FOUNDATION_MODELS["croma"].patch_size
    embedding = (ours, "patch_embed")
    yield PixelKernel(f"{torch}.linear_input.weight", (width, bands * patch**2), (*embedding, "known_kernel"))
    yield Weight(f"{torch}.linear_input.bias", (width,), (*embedding, "bias"))
    yield from _blocks(experiment, f"{torch}.transformer", (ours, "transformer"), depth, joint=False)


def _blocks(experiment: Experiment, torch: str, path: Path, depth: int, *, joint: bool) -> Iterator[Weight]:
    sizes, blocks = experiment.model.architecture, (*path, "blocks")
    width, inner, hidden = sizes.embed_dim, sizes.heads * sizes.dim_head, round(sizes.embed_dim * sizes.mlp_ratio)
    for layer in range(depth):
        attention, mlp = f"{torch}.layers.{layer}.0", f"{torch}.layers.{layer}.{2 if joint else 1}"
        yield from _norm(attention, blocks, "attention", width, layer)
        yield Weight(f"{attention}.to_qkv.weight", (3 * inner, width), (*blocks, "qkv_kernel"), layer, "matrix")
        yield Weight(f"{attention}.to_out.weight", (width, inner), (*blocks, "out_kernel"), layer, "matrix")
        yield Weight(f"{attention}.to_out.bias", (width,), (*blocks, "out_bias"), layer)
        if joint:
            yield from _cross_attention(f"{torch}.layers.{layer}.1", blocks, width, inner, layer)
        yield from _norm(mlp, blocks, "mlp", width, layer)
        yield Weight(f"{mlp}.net.0.weight", (hidden, width), (*blocks, "up_kernel"), layer, "matrix")
        yield Weight(f"{mlp}.net.0.bias", (hidden,), (*blocks, "up_bias"), layer)
        yield Weight(f"{mlp}.net.3.weight", (width, hidden), (*blocks, "down_kernel"), layer, "matrix")
        yield Weight(f"{mlp}.net.3.bias", (width,), (*blocks, "down_bias"), layer)
    if experiment.model.foundation.keep_norm:
        yield Weight(f"{torch}.norm_out.weight", (width,), (*path, "norm", "scale"))
        yield Weight(f"{torch}.norm_out.bias", (width,), (*path, "norm", "bias"))


def _cross_attention(torch: str, blocks: Path, width: int, inner: int, layer: int) -> Iterator[Weight]:
    yield from _norm(torch, blocks, "cross", width, layer)
    for part in "qkv":
        yield Weight(f"{torch}.to_{part}.weight", (inner, width), (*blocks, f"cross_{part}_kernel"), layer, "matrix")
    yield Weight(f"{torch}.to_out.weight", (width, inner), (*blocks, "cross_out_kernel"), layer, "matrix")
    yield Weight(f"{torch}.to_out.bias", (width,), (*blocks, "cross_out_bias"), layer)


def _norm(torch: str, blocks: Path, ours: str, width: int, layer: int) -> Iterator[Weight]:
    yield Weight(f"{torch}.input_norm.weight", (width,), (*blocks, f"{ours}_norm_scale"), layer)
    yield Weight(f"{torch}.input_norm.bias", (width,), (*blocks, f"{ours}_norm_bias"), layer)


NAMES = Names(weights, dropped=("s1_GAP_FFN.", "s2_GAP_FFN.", "s1_encoder.", "s2_encoder.", "joint_encoder."))

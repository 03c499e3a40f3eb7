"""Names of a vision transformer as timm, DINOv2, DOFA, Prithvi and SatMAE have them."""

from __future__ import annotations

from collections.abc import Iterator

from mmae_jax.parallel import Path
from mmae_jax.spec import Experiment
from mmae_jax.weights.publishers.names import BandKernel
from mmae_jax.weights.torch_names import Weight


def block_weights(experiment: Experiment, path: Path, *, layer_scale: bool = False) -> Iterator[Weight]:
    """Yields the tensors of all blocks, and of the last norm where it is kept.

    Args:
      experiment: gives widths and depth.
      path: that of the `Transformer`.
      layer_scale: whether blocks have LayerScale.
    """
    sizes, blocks = experiment.model.architecture, (*path, "blocks")
    width, inner, hidden = sizes.embed_dim, sizes.heads * sizes.dim_head, round(sizes.embed_dim * sizes.mlp_ratio)
    for layer in range(sizes.depth):
        name = f"blocks.{layer}"
        yield Weight(f"{name}.norm1.weight", (width,), (*blocks, "attention_norm_scale"), layer)
        yield Weight(f"{name}.norm1.bias", (width,), (*blocks, "attention_norm_bias"), layer)
        yield Weight(f"{name}.attn.qkv.weight", (3 * inner, width), (*blocks, "qkv_kernel"), layer, "matrix")
        yield Weight(f"{name}.attn.qkv.bias", (3 * inner,), (*blocks, "qkv_bias"), layer)
        yield Weight(f"{name}.attn.proj.weight", (width, inner), (*blocks, "out_kernel"), layer, "matrix")
        yield Weight(f"{name}.attn.proj.bias", (width,), (*blocks, "out_bias"), layer)
        yield Weight(f"{name}.norm2.weight", (width,), (*blocks, "mlp_norm_scale"), layer)
        yield Weight(f"{name}.norm2.bias", (width,), (*blocks, "mlp_norm_bias"), layer)
        yield Weight(f"{name}.mlp.fc1.weight", (hidden, width), (*blocks, "up_kernel"), layer, "matrix")
        yield Weight(f"{name}.mlp.fc1.bias", (hidden,), (*blocks, "up_bias"), layer)
        yield Weight(f"{name}.mlp.fc2.weight", (width, hidden), (*blocks, "down_kernel"), layer, "matrix")
        yield Weight(f"{name}.mlp.fc2.bias", (width,), (*blocks, "down_bias"), layer)
        if layer_scale:
            yield Weight(f"{name}.ls1.gamma", (width,), (*blocks, "attention_scale"), layer)
            yield Weight(f"{name}.ls2.gamma", (width,), (*blocks, "mlp_scale"), layer)
    if experiment.model.foundation.keep_norm:
        yield Weight("norm.weight", (width,), (*path, "norm", "scale"))
        yield Weight("norm.bias", (width,), (*path, "norm", "bias"))


def embedding_weights(
    experiment: Experiment, name: str, channels: tuple[int | None, ...], published: int
) -> Iterator[Weight]:
    """Yields the tensors of the patch embedding of an input: every input has a copy.

    Args:
      experiment: gives the input called `name`.
      name: name of the input.
      channels: the published channel of each of its bands; None for new ones.
      published: how many channels there are.
    """
    width, patch = experiment.model.architecture.embed_dim, experiment.inputs[name].patch_size
    known = tuple(channel for channel in channels if channel is not None)
    if known:
        shape, path = (width, published, patch, patch), ("patch_embed", name, "known_kernel")
        yield BandKernel("patch_embed.proj.weight", shape, path, channels=known)
    yield Weight("patch_embed.proj.bias", (width,), ("patch_embed", name, "bias"))

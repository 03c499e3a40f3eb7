"""Pre-norm transformer whose blocks are stacked along a leading axis and scanned (docs/method.md §6)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx
from jax.ad_checkpoint import checkpoint_name
from jax.sharding import PartitionSpec

from mmae_jax import parallel
from mmae_jax.models.attention import attention, kernel_of
from mmae_jax.models.attention.arrangement import Arrangement, Moves
from mmae_jax.models.draws import uniform_param
from mmae_jax.models.gradients import gelu, normalised, product, scaled, shifted, whole_vectors
from mmae_jax.models.layers import EPSILON, LayerNorm

PRODUCT, ATTENTION = "product", "attention"
REMAT_POLICIES = {
    "dots": jax.checkpoint_policies.save_only_these_names(PRODUCT, ATTENTION),
    "full": jax.checkpoint_policies.nothing_saveable,
}


Step = Callable[[jax.Array, dict[str, jax.Array]], tuple[jax.Array, None]]
"""One block as a scan takes it: tokens, parameters of the block → tokens, nothing."""


@dataclasses.dataclass(frozen=True)
class Variant:
    """In what transformers differ besides their sizes; the defaults are those of the masked autoencoder.

    Attributes:
      epsilon: of the LayerNorms.
      qkv_bias: whether queries, keys and values have a bias.
      layer_scale: with what the results of attention and MLP are multiplied, channel by channel, before they are added
        (LayerScale): its initial value; nothing is if None.
      final_norm: whether a LayerNorm follows the last block.
    """

    epsilon: float = EPSILON
    qkv_bias: bool = False
    layer_scale: float | None = None
    final_norm: bool = True


MASKED_AUTOENCODER = Variant()


class Blocks(nnx.Module):
    """Parameters of `depth` blocks; every parameter has a leading layer axis.

    Scanning one block over that axis keeps compile time and program size independent of the depth.
    """

    def __init__(
        self,
        width: int,
        depth: int,
        heads: int,
        dim_head: int,
        mlp_width: int,
        variant: Variant = MASKED_AUTOENCODER,
        *,
        rngs: nnx.Rngs,
    ) -> None:
        inner = heads * dim_head
        self.attention_norm_scale = nnx.Param(jnp.ones((depth, width)))
        self.attention_norm_bias = nnx.Param(jnp.zeros((depth, width)))
        self.qkv_kernel = uniform_param(rngs, (depth, 3, width, inner), width)
        # One head as wide as the tokens needs no output projection (docs/method.md §6).
        self.project_out = not (heads == 1 and dim_head == width)
        if self.project_out:
            self.out_kernel = uniform_param(rngs, (depth, inner, width), inner)
            self.out_bias = uniform_param(rngs, (depth, width), inner)
        self.mlp_norm_scale = nnx.Param(jnp.ones((depth, width)))
        self.mlp_norm_bias = nnx.Param(jnp.zeros((depth, width)))
        self.up_kernel = uniform_param(rngs, (depth, width, mlp_width), width)
        self.up_bias = uniform_param(rngs, (depth, mlp_width), width)
        self.down_kernel = uniform_param(rngs, (depth, mlp_width, width), mlp_width)
        self.down_bias = uniform_param(rngs, (depth, width), mlp_width)
        if variant.qkv_bias:
            self.qkv_bias = nnx.Param(jnp.zeros((depth, 3, inner)))
        if variant.layer_scale is not None:
            self.attention_scale = nnx.Param(jnp.full((depth, width), variant.layer_scale))
            self.mlp_scale = nnx.Param(jnp.full((depth, width), variant.layer_scale))

    def stacked(self) -> dict[str, jax.Array]:
        """Returns all parameters by name, each `[depth, ...]`; vectors of all layers are gathered at once."""
        values = {name: value[...] for name, value in vars(self).items() if isinstance(value, nnx.Param)}
        vectors = [name for name in values if not name.endswith("kernel") and name in parallel.PARTITIONS]
        return values | {name: whole_vectors(parallel.PARTITIONS[name], values[name]) for name in vectors}


def times(formula: str, x: jax.Array, block: dict[str, jax.Array], name: str) -> jax.Array:
    """Multiplies by a kernel of one block; the partitions also name the layer axis."""
    result = product(formula, PartitionSpec(*parallel.PARTITIONS[name][1:]), x, block[name])
    return checkpoint_name(result, PRODUCT)


def remembered(step: Step, remat: str) -> Step:
    """Returns a block that keeps for its gradients what `model.remat` says, and computes the rest again."""
    if remat == "none":
        return step
    return jax.checkpoint(step, policy=REMAT_POLICIES[remat], prevent_cse=False)


@dataclasses.dataclass(frozen=True)
class Heads:
    """What attention needs besides tokens and parameters: arguments of `attention`."""

    valid: jax.Array
    heads: int
    kernel: str
    bias: jax.Array | None
    asked: jax.Array | None = None

    def __call__(self, q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
        """Returns what attention makes of queries, keys and values."""
        y = attention(q, k, v, self.valid, self.heads, self.kernel, self.bias, self.asked)
        return checkpoint_name(y, ATTENTION)


def self_attention(
    x: jax.Array, block: dict[str, jax.Array], attend: Heads, epsilon: float, asked: Moves | None = None
) -> jax.Array:
    """Returns what attention of tokens `[B, N, E]` to each other adds to them, or to those that are `asked` for."""
    x = normalised(x, block["attention_norm_scale"], block["attention_norm_bias"], (-1,), epsilon)
    if asked is None:
        qkv = _projected(x, block, slice(3))
    else:
        qkv = *_projected(asked(x), block, slice(1)), *_projected(x, block, slice(1, 3))
    y = attend(*qkv)
    if "out_kernel" in block:
        y = shifted(times("bni,ie->bne", y, block, "out_kernel"), block["out_bias"])
    return scaled(y, block["attention_scale"]) if "attention_scale" in block else y


def _projected(x: jax.Array, block: dict[str, jax.Array], parts: slice) -> tuple[jax.Array, ...]:
    """Returns some of queries, keys and values of tokens, each `[B, N, H·D]`."""
    some = tuple(times("bne,tei->tbni", x, {"qkv_kernel": block["qkv_kernel"][parts]}, "qkv_kernel"))
    if "qkv_bias" not in block:
        return some
    return tuple(shifted(one, bias) for one, bias in zip(some, block["qkv_bias"][parts], strict=True))


def mlp(x: jax.Array, block: dict[str, jax.Array], epsilon: float) -> jax.Array:
    """Returns what the MLP adds to tokens `[B, N, E]`."""
    x = normalised(x, block["mlp_norm_scale"], block["mlp_norm_bias"], (-1,), epsilon)
    x = shifted(times("bne,ef->bnf", x, block, "up_kernel"), block["up_bias"])
    y = shifted(times("bnf,fe->bne", gelu(x), block, "down_kernel"), block["down_bias"])
    return scaled(y, block["mlp_scale"]) if "mlp_scale" in block else y


def _block(attend: Heads, epsilon: float, asked: Moves | None = None) -> Step:
    """Returns a block of all tokens, or of those that are asked for."""

    def step(x: jax.Array, block: dict[str, jax.Array]) -> tuple[jax.Array, None]:
        kept = x if asked is None else asked(x)
        kept = kept + self_attention(x, block, attend, epsilon, asked)
        return kept + mlp(kept, block, epsilon), None

    return step


class Transformer(nnx.Module):
    """`depth` pre-norm blocks, and a LayerNorm where the variant has one."""

    def __init__(
        self,
        width: int,
        depth: int,
        heads: int,
        dim_head: int,
        mlp_width: int,
        *,
        dtype: jnp.dtype,
        remat: str,
        attention: str,
        rngs: nnx.Rngs,
        variant: Variant = MASKED_AUTOENCODER,
    ) -> None:
        self.blocks = Blocks(width, depth, heads, dim_head, mlp_width, variant, rngs=rngs)
        self.norm = LayerNorm(width, variant.epsilon) if variant.final_norm else None
        self.epsilon = variant.epsilon
        self.heads = heads
        self.dim_head = dim_head
        self.dtype = dtype
        self.remat = remat
        self.attention = attention

    def __call__(
        self, x: jax.Array, valid: jax.Array, bias: jax.Array | None = None, asked: Moves | None = None
    ) -> jax.Array:
        """Encodes sequences.

        Args:
          x: the tokens, `[B, N, E]`.
          valid: bool `[B, N]`; False tokens are attended to by none.
          bias: float32 `[H, N, N]`, added to the scores of every head in all blocks; not where some are asked for.
          asked: moves of the tokens that are asked for, from `[B, N]` to `[B, M]`, those that are there first; the last
            block computes no others. All if None.

        Returns:
          Tokens `[B, N, E]`, or `[B, M, E]`, in the compute dtype; those of invalid positions have no meaning.
        """
        chosen = self.attention if bias is None else "xla"
        kernel = kernel_of(chosen, x, self.dtype, self.heads * self.dim_head, self.dim_head)
        arrangement = Arrangement.of(valid, kernel)
        attend = Heads(arrangement.valid, self.heads, kernel, bias)
        step = remembered(_block(attend, self.epsilon), self.remat)
        x, blocks = arrangement.arranged(x.astype(self.dtype)), self.blocks.stacked()
        if asked is None:
            x, _ = jax.lax.scan(step, x, blocks)
            x = arrangement.restored(x)
        else:
            below, last = ({name: stack[part] for name, stack in blocks.items()} for part in (slice(-1), -1))
            if len(below["qkv_kernel"]):
                x, _ = jax.lax.scan(step, x, below)
            wanted = arrangement.then(asked)
            attend = dataclasses.replace(attend, asked=wanted.places < x.shape[1])
            x, _ = remembered(_block(attend, self.epsilon, wanted), self.remat)(x, last)
            x = x[:, : asked.places.shape[1]]
        return x if self.norm is None else self.norm(x)

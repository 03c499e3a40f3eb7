"""Pre-norm transformer whose blocks are stacked along a leading axis and scanned (docs/method.md §6)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jax.ad_checkpoint import checkpoint_name
from jax.sharding import PartitionSpec

from mmae_jax import parallel
from mmae_jax.models.attention import attention, kernel_of
from mmae_jax.models.attention.arrangement import Arrangement
from mmae_jax.models.draws import uniform_param
from mmae_jax.models.gradients import gelu, normalised, product, shifted, whole_vectors
from mmae_jax.models.layers import EPSILON, LayerNorm

PRODUCT, ATTENTION = "product", "attention"
REMAT_POLICIES = {
    "dots": jax.checkpoint_policies.save_only_these_names(PRODUCT, ATTENTION),
    "full": jax.checkpoint_policies.nothing_saveable,
}


class Blocks(nnx.Module):
    """Parameters of `depth` blocks; every parameter has a leading layer axis.

    Scanning one block over that axis keeps compile time and program size independent of the depth.
    """

    def __init__(self, width: int, depth: int, heads: int, dim_head: int, mlp_width: int, *, rngs: nnx.Rngs) -> None:
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

    def stacked(self) -> dict[str, jax.Array]:
        """Returns all parameters by name, each `[depth, ...]`; vectors of all layers are gathered at once."""
        values = {name: value[...] for name, value in vars(self).items() if isinstance(value, nnx.Param)}
        vectors = [name for name, value in values.items() if value.ndim == 2 and name in parallel.PARTITIONS]
        return values | {name: whole_vectors(parallel.PARTITIONS[name], values[name]) for name in vectors}


def _times(formula: str, x: jax.Array, block: dict[str, jax.Array], name: str) -> jax.Array:
    """Multiplies by a kernel of one block; the partitions also name the layer axis."""
    result = product(formula, PartitionSpec(*parallel.PARTITIONS[name][1:]), x, block[name])
    return checkpoint_name(result, PRODUCT)


def _attention(x: jax.Array, valid: jax.Array, block: dict[str, jax.Array], heads: int, kernel: str) -> jax.Array:
    x = normalised(x, block["attention_norm_scale"], block["attention_norm_bias"], (-1,), EPSILON)
    q, k, v = _times("bne,tei->tbni", x, block, "qkv_kernel")
    y = checkpoint_name(attention(q, k, v, valid, heads, kernel), ATTENTION)
    if "out_kernel" not in block:
        return y
    return shifted(_times("bni,ie->bne", y, block, "out_kernel"), block["out_bias"])


def _mlp(x: jax.Array, block: dict[str, jax.Array]) -> jax.Array:
    x = normalised(x, block["mlp_norm_scale"], block["mlp_norm_bias"], (-1,), EPSILON)
    x = shifted(_times("bne,ef->bnf", x, block, "up_kernel"), block["up_bias"])
    return shifted(_times("bnf,fe->bne", gelu(x), block, "down_kernel"), block["down_bias"])


class Transformer(nnx.Module):
    """`depth` pre-norm blocks and a LayerNorm."""

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
    ) -> None:
        self.blocks = Blocks(width, depth, heads, dim_head, mlp_width, rngs=rngs)
        self.norm = LayerNorm(width)
        self.heads = heads
        self.dim_head = dim_head
        self.dtype = dtype
        self.remat = remat
        self.attention = attention

    def __call__(self, x: jax.Array, valid: jax.Array) -> jax.Array:
        """Encodes sequences.

        Args:
          x: the tokens, `[B, N, E]`.
          valid: bool `[B, N]`; False tokens are attended to by none.

        Returns:
          Tokens `[B, N, E]` in the compute dtype; those of invalid positions have no meaning.
        """
        kernel = kernel_of(self.attention, x, self.dtype, self.heads * self.dim_head, self.dim_head)
        arrangement = Arrangement.of(valid, kernel)
        valid = arrangement.valid

        def step(x: jax.Array, block: dict[str, jax.Array]) -> tuple[jax.Array, None]:
            x = x + _attention(x, valid, block, self.heads, kernel)
            return x + _mlp(x, block), None

        if self.remat != "none":
            step = jax.checkpoint(step, policy=REMAT_POLICIES[self.remat], prevent_cse=False)
        x, _ = jax.lax.scan(step, arrangement.arranged(x.astype(self.dtype)), self.blocks.stacked())
        return self.norm(arrangement.restored(x))

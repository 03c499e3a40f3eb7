"""Blocks that attend to their own tokens, then to those of another sensor: CROMA's joint encoder (arXiv 2311.00566)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from mmae_jax.models.draws import uniform_param
from mmae_jax.models.gradients import normalised, shifted
from mmae_jax.models.layers import EPSILON, LayerNorm
from mmae_jax.models.transformer import MASKED_AUTOENCODER, Blocks, Heads, mlp, remembered, self_attention, times
from mmae_jax.spec import Experiment


class CrossBlocks(Blocks):
    """Blocks that attend to a context between attending to themselves and the MLP; one norm is for both tokens."""

    def __init__(self, width: int, depth: int, heads: int, dim_head: int, mlp_width: int, *, rngs: nnx.Rngs) -> None:
        super().__init__(width, depth, heads, dim_head, mlp_width, MASKED_AUTOENCODER, rngs=rngs)
        inner = heads * dim_head
        self.cross_norm_scale = nnx.Param(jnp.ones((depth, width)))
        self.cross_norm_bias = nnx.Param(jnp.zeros((depth, width)))
        self.cross_q_kernel = uniform_param(rngs, (depth, width, inner), width)
        self.cross_k_kernel = uniform_param(rngs, (depth, width, inner), width)
        self.cross_v_kernel = uniform_param(rngs, (depth, width, inner), width)
        self.cross_out_kernel = uniform_param(rngs, (depth, inner, width), inner)
        self.cross_out_bias = uniform_param(rngs, (depth, width), inner)


def _cross_attention(x: jax.Array, context: jax.Array, block: dict[str, jax.Array], attend: Heads) -> jax.Array:
    x, context = (
        normalised(tokens, block["cross_norm_scale"], block["cross_norm_bias"], (-1,), EPSILON)
        for tokens in (x, context)
    )
    q = times("bne,ei->bni", x, block, "cross_q_kernel")
    k = times("bne,ei->bni", context, block, "cross_k_kernel")
    v = times("bne,ei->bni", context, block, "cross_v_kernel")
    return shifted(times("bni,ie->bne", attend(q, k, v), block, "cross_out_kernel"), block["cross_out_bias"])


class CrossTransformer(nnx.Module):
    """Blocks that look at a context, and a LayerNorm where `model.foundation.keep_norm` is set."""

    def __init__(self, experiment: Experiment, depth: int, *, rngs: nnx.Rngs) -> None:
        model, sizes = experiment.model, experiment.model.architecture
        mlp_width = round(sizes.embed_dim * sizes.mlp_ratio)
        self.blocks = CrossBlocks(sizes.embed_dim, depth, sizes.heads, sizes.dim_head, mlp_width, rngs=rngs)
        self.norm = LayerNorm(sizes.embed_dim) if model.foundation.keep_norm else None
        self.heads = sizes.heads
        self.dtype = jnp.dtype(model.dtype)
        self.remat = model.remat

    def __call__(self, x: jax.Array, context: jax.Array, bias: jax.Array) -> jax.Array:
        """Encodes tokens of images.

        Args:
          x: the tokens, `[B, N, E]`.
          context: tokens of the other sensor at the same places, `[B, N, E]`.
          bias: float32 `[H, N, N]`, added to the scores of every head of both kinds of attention.

        Returns:
          Tokens `[B, N, E]` in the compute dtype.
        """
        context = context.astype(self.dtype)
        attend = Heads(jnp.ones(x.shape[:2], bool), self.heads, "xla", bias)

        def step(x: jax.Array, block: dict[str, jax.Array]) -> tuple[jax.Array, None]:
            x = x + self_attention(x, block, attend, EPSILON)
            x = x + _cross_attention(x, context, block, attend)
            return x + mlp(x, block, EPSILON), None

        x, _ = jax.lax.scan(remembered(step, self.remat), x.astype(self.dtype), self.blocks.stacked())
        return x if self.norm is None else self.norm(x)

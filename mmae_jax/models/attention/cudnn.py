"""Attention on NVIDIA GPUs by cuDNN, which skips padding where it is told the lengths of the sequences."""

from __future__ import annotations

import jax
import jax.numpy as jnp

TOO_OLD = ("P4", "P40", "P100", "V100", "T4", "TITAN", "Quadro", "GTX")
"""Parts of the names of GPUs before Ampere, for which cuDNN has no fused attention."""

LENGTH_MULTIPLE = 8
"""To which sequences are padded: rows of scores then begin where memory is read in whole words."""


def supports(device_kind: str, dtype: jnp.dtype, dim_head: int) -> bool:
    """Returns whether cuDNN has a kernel: from Ampere on, for 16-bit numbers and heads of up to 128."""
    words = device_kind.replace("-", " ").split()
    return jnp.dtype(dtype).itemsize == 2 and dim_head % 8 == 0 and dim_head <= 128 and not set(words) & set(TOO_OLD)


def attention(q: jax.Array, k: jax.Array, v: jax.Array, queries: jax.Array, keys: jax.Array) -> jax.Array:
    """Attends from the first `queries` (int `[B]`) of `[B, N, H, D]` to the first `keys` of `[B, M, H, D]`; else 0."""
    # A sequence of no token at all would divide by a sum of nothing.
    queries, keys = jnp.maximum(queries, 1), jnp.maximum(keys, 1)
    return jax.nn.dot_product_attention(
        q, k, v, query_seq_lengths=queries, key_value_seq_lengths=keys, implementation="cudnn"
    )

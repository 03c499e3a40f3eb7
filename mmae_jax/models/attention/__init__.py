"""Attention that never writes its scores to memory: one function, one body per platform (docs/design.md, decision 7).

The scores of a sequence of N tokens are N² numbers a head; written and read again by softmax and its gradients they
are most of what a step moves. Fused kernels keep them where they are computed.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from mmae_jax import parallel
from mmae_jax.models.attention import cudnn, pallas
from mmae_jax.spec import Model, SpecError

NAMES = {
    "xla": "XLA, scores in memory",
    "cudnn": "cuDNN, fused, by lengths",
    "pallas": "Pallas, fused, by masks",
}
"""Kernel → what it is, for people."""


def kernel_for(chosen: str, platform: str, device_kind: str, dtype: jnp.dtype, width: int, dim_head: int) -> str:
    """Returns which kernel computes attention.

    Args:
      chosen: `model.attention`; `auto` takes the platform's fused kernel where there is one for this case.
      platform: `cpu`, `gpu` (or `cuda`) or `tpu`.
      device_kind: kind of the device, as JAX names it.
      dtype: compute dtype.
      width: width of all heads together.
      dim_head: width of one head.
    """
    if chosen != "auto":
        return chosen
    if platform in ("gpu", "cuda") and cudnn.supports(device_kind, dtype, dim_head):
        return "cudnn"
    if platform == "tpu" and pallas.supports(dtype, width, dim_head):
        return "pallas"
    return "xla"


def kernel_of(chosen: str, x: jax.Array, dtype: jnp.dtype, width: int, dim_head: int) -> str:
    """Returns, inside jit, the kernel for the devices that `x` lies on; arguments otherwise as of `kernel_for`."""
    return kernel_for(chosen, *parallel.platform_of(x), dtype, width, dim_head)


def kernels_of(model: Model, device: jax.Device) -> tuple[str, ...]:
    """Returns the kernels of a model's encoders and decoders on a device.

    Raises:
      SpecError: the kernel that the configuration asks for does not run there, or not for these heads and numbers.
    """
    sizes, dtype = model.architecture, jnp.dtype(model.dtype)
    platform, kind = device.platform, device.device_kind
    found = []
    decoder = ((sizes.decoder_heads, sizes.decoder_dim_head),) if model.encoder == "mmae" else ()
    for heads, dim_head in ((sizes.heads, sizes.dim_head), *decoder):
        own = kernel_for("auto", platform, kind, dtype, heads * dim_head, dim_head)
        if model.attention not in ("auto", "xla", own):
            raise SpecError(
                f"model.attention: expected auto{'' if own == 'xla' else f', {own}'} or xla for {heads} heads of "
                f"{dim_head} in {model.dtype} on {kind}, found {model.attention}"
            )
        found.append(kernel_for(model.attention, platform, kind, dtype, heads * dim_head, dim_head))
    return tuple(dict.fromkeys(found))


def attention(
    q: jax.Array,
    k: jax.Array,
    v: jax.Array,
    valid: jax.Array,
    heads: int,
    kernel: str,
    bias: jax.Array | None = None,
    asked: jax.Array | None = None,
) -> jax.Array:
    """Attends from every token to those that are valid.

    Args:
      q: queries `[B, N, H·D]`, head major; k and v alike.
      k: keys, `[B, M, H·D]`.
      v: values, as the keys.
      valid: bool `[B, M]`; for `cudnn` the valid tokens stand first.
      heads: H.
      kernel: a key of `NAMES`.
      bias: float32 `[H, N, M]`, added to the scores of all samples; `xla` only.
      asked: bool `[B, N]`; which queries are there, first those that are. As `valid` if None.

    Returns:
      `[B, N, H·D]` in the dtype of `q`; rows of invalid tokens, and samples without any valid, have no meaning but are
      finite.
    """
    if q.shape[1] == 0:
        return q
    if kernel == "pallas":
        return pallas.attention(q, k, v, valid, heads)
    shape = q.shape
    q, k, v = (array.reshape(*array.shape[:2], heads, -1) for array in (q, k, v))
    if kernel == "cudnn":
        lengths = [there.sum(axis=-1, dtype=jnp.int32) for there in (valid if asked is None else asked, valid)]
        y = cudnn.attention(q, k, v, *lengths)
    else:
        added = None if bias is None else bias[None]
        y = jax.nn.dot_product_attention(q, k, v, added, mask=valid[:, None, None, :], implementation="xla")
    return y.reshape(shape)

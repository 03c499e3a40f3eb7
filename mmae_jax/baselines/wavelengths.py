"""DOFA's patch embedding: the kernel of a sensor is computed from the wavelengths of its bands (arXiv 2403.15356)."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.sharding import PartitionSpec

from mmae_jax.baselines.sincos import rounded_sincos
from mmae_jax.models.draws import uniform_param
from mmae_jax.models.gradients import gelu, product, shifted
from mmae_jax.models.layers import LayerNorm, Linear
from mmae_jax.models.patches import to_patches

WIDTH = 128
"""Width of the encoding of a wavelength, and number of the learned tokens beside them."""
HEADS = 4
HIDDEN = 2048
GAIN = 0.01
"""Multiplies what the generator gives, so that it starts small."""
NANOMETRES = 1000.0
"""Nanometres in a micrometre; encodings are of nanometres."""


class KernelGenerator(nnx.Module):
    """Attends, post-norm, over learned tokens, one token a band, and one for the bias."""

    def __init__(self, patch: int, width: int, *, rngs: nnx.Rngs) -> None:
        def linear(width_in: int, width_out: int) -> Linear:
            # In float32 whatever the compute dtype: one short sequence a sensor, and its result is a kernel.
            return Linear(width_in, width_out, dtype=jnp.dtype("float32"), rngs=rngs)

        self.tokens = uniform_param(rngs, (WIDTH, WIDTH), WIDTH)
        self.bias_token = uniform_param(rngs, (1, WIDTH), WIDTH)
        self.qkv = linear(WIDTH, 3 * WIDTH)
        self.out = linear(WIDTH, WIDTH)
        self.attention_norm = LayerNorm(WIDTH)
        self.up = linear(WIDTH, HIDDEN)
        self.down = linear(HIDDEN, WIDTH)
        self.mlp_norm = LayerNorm(WIDTH)
        self.to_kernel = linear(WIDTH, patch**2 * width)
        self.to_bias = linear(WIDTH, width)

    def __call__(self, bands: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Maps encoded wavelengths `[C, WIDTH]` to a kernel `[C, P²·E]` and a bias `[E]`."""
        x = jnp.concatenate([self.tokens[...], bands, self.bias_token[...]])
        x = self.attention_norm(x + self._attention(x))
        x = self.mlp_norm(x + self.down(gelu(self.up(x))))
        return self.to_kernel(x[WIDTH:-1] + bands), self.to_bias(x[-1:])[0]

    def _attention(self, x: jax.Array) -> jax.Array:
        q, k, v = (part.reshape(1, len(x), HEADS, -1) for part in jnp.split(self.qkv(x), 3, axis=-1))
        return self.out(jax.nn.dot_product_attention(q, k, v, implementation="xla").reshape(len(x), WIDTH))


class WavelengthEmbedding(nnx.Module):
    """Embeds the patches of a sensor by a convolution of stride P whose kernel its wavelengths decide."""

    def __init__(self, wavelengths: Sequence[float], patch: int, width: int, *, dtype: jnp.dtype, rngs: nnx.Rngs):
        self.wavelengths = tuple(wavelengths)
        self.first = Linear(WIDTH, WIDTH, dtype=jnp.dtype("float32"), rngs=rngs)
        self.second = Linear(WIDTH, WIDTH, dtype=jnp.dtype("float32"), rngs=rngs)
        self.generator = KernelGenerator(patch, width, rngs=rngs)
        self.patch = patch
        self.dtype = dtype

    def __call__(self, pixels: jax.Array) -> jax.Array:
        """Maps `[B, D, C, H, H]` to tokens `[B, D, L, E]`.

        Windows begin one pixel above and left of their patch, where an image has zeros, as published.
        """
        kernel, bias = self.kernel()
        side = pixels.shape[-1]
        moved = jnp.pad(pixels, ((0, 0),) * 3 + ((1, 0), (1, 0)))[..., :side, :side]
        patches = to_patches(moved.astype(self.dtype), self.patch)
        return shifted(product("bdlpc,pce->bdle", PartitionSpec(), patches, kernel), bias)

    def kernel(self) -> tuple[jax.Array, jax.Array]:
        """Returns the kernel `[P², C, E]` and the bias `[E]` of the convolution, float32."""
        nanometres = NANOMETRES * np.asarray(self.wavelengths, np.float32)
        encoded = rounded_sincos(jnp.asarray(nanometres), WIDTH)
        bands = encoded + jax.nn.relu(self.second(jax.nn.relu(self.first(encoded))))
        kernel, bias = self.generator(bands)
        return GAIN * kernel.reshape(len(bands), self.patch**2, -1).transpose(1, 0, 2), GAIN * bias

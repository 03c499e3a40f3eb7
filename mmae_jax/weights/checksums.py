"""Checksums of arrays where they lie, whatever the mesh: what reads a checkpoint on other devices can check it."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp


def checksums(leaves: Mapping[str, jax.Array]) -> dict[str, str]:
    """Returns name → checksum of each array, 8 hexadecimal digits; any single changed bit changes it.

    Args:
      leaves: arrays of numbers of at most 4 bytes; in a run of several processes, the same in each.
    """
    # Each is waited for: CPU devices that add up for several programs at once wait for each other for ever.
    return {name: f"{int(jax.device_get(_sum(leaves[name]))):08x}" for name in sorted(leaves)}


# One program per shape and sharding. One for all leaves of a large model would be compiled for twenty seconds.
@jax.jit
def _sum(array: jax.Array) -> jax.Array:
    """Returns the sum modulo 2³² of the numbers' bits, each mixed with its place as MurmurHash3 ends.

    To mix is a bijection: one changed number always changes the sum, several all but one time in 2³².
    """
    mixed = jax.lax.bitcast_convert_type(array, f"uint{8 * array.dtype.itemsize}").astype(jnp.uint32)
    stride = 0x9E3779B9
    for axis in reversed(range(array.ndim)):
        mixed += jax.lax.broadcasted_iota(jnp.uint32, array.shape, axis) * jnp.uint32(stride % 2**32)
        stride *= array.shape[axis]
    mixed = (mixed ^ (mixed >> 16)) * jnp.uint32(0x85EBCA6B)
    mixed = (mixed ^ (mixed >> 13)) * jnp.uint32(0xC2B2AE35)
    return jnp.sum(mixed ^ (mixed >> 16), dtype=jnp.uint32)

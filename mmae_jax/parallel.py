"""The device mesh and every partition of the program (ARCHITECTURE, decision 7).

Axes: `data` holds replicas of the model; `fsdp` shares out parameters and optimiser state, and a part of the batch;
`tensor` splits attention heads and MLP columns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from mmae_jax import spec
from mmae_jax.data.batch import Batch
from mmae_jax.spec import SpecError

AXES = ("data", "fsdp", "tensor")
BATCH = PartitionSpec(("data", "fsdp"))
REPLICATED = PartitionSpec()

# Partition of each parameter by its name; a parameter stacked over layers has the layer axis first.
PARTITIONS = {
    "qkv_kernel": PartitionSpec(None, "fsdp", None, "tensor"),
    "out_kernel": PartitionSpec(None, "tensor", None, "fsdp"),
    "up_kernel": PartitionSpec(None, "fsdp", "tensor"),
    "up_bias": PartitionSpec(None, "tensor"),
    "down_kernel": PartitionSpec(None, "tensor", "fsdp"),
}
EMBEDDING_KERNEL = PartitionSpec(None, None, "fsdp")
LINEAR_KERNEL = PartitionSpec("fsdp")


def make_mesh(mesh: spec.Mesh, devices: Sequence[jax.Device] | None = None) -> jax.sharding.Mesh:
    """Returns the mesh of a configuration over all devices of all processes.

    Raises:
      SpecError: the axes do not multiply to the number of devices.
    """
    devices = jax.devices() if devices is None else devices
    sizes = {name: getattr(mesh, name) for name in AXES}
    free = [name for name, size in sizes.items() if size == -1]
    fixed = math.prod(size for size in sizes.values() if size != -1)
    if len(free) > 1 or fixed < 1 or len(devices) % fixed or (not free and fixed != len(devices)):
        found = ", ".join(f"{name}={size}" for name, size in sizes.items())
        raise SpecError(
            f"mesh: expected sizes whose product is {len(devices)} devices, one of them -1 at most, found {found}"
        )
    for name in free:
        sizes[name] = len(devices) // fixed
    return jax.make_mesh(tuple(sizes.values()), AXES, (AxisType.Auto,) * len(AXES), devices=devices)


def parameter_partition(path: Sequence[Any], shape: tuple[int, ...]) -> PartitionSpec:
    """Returns the partition of a parameter by its path (its last name tells what it is) and rank."""
    name = str(path[-1])
    if name == "kernel":
        return EMBEDDING_KERNEL if len(shape) == 3 else LINEAR_KERNEL
    return PARTITIONS.get(name, REPLICATED)


def shardings(tree: Any, mesh: jax.sharding.Mesh | jax.sharding.AbstractMesh) -> Any:
    """Returns the sharding of every leaf of a tree of parameters, optimiser moments or averages.

    Args:
      tree: leaves with `shape`; moments and averages lie at the paths of their parameters.
      mesh: the device mesh.

    Raises:
      SpecError: a dimension does not divide by its mesh axis; the message names the parameter.
    """

    def one(path: tuple[Any, ...], leaf: Any) -> NamedSharding:
        names = [key for key in map(_plain, path) if key != "value"]
        partition = parameter_partition(names, leaf.shape) if names else REPLICATED
        _check_divides(names, leaf.shape, partition, mesh)
        return NamedSharding(mesh, partition)

    return jax.tree_util.tree_map_with_path(one, tree)


def in_place(tree: Any) -> Any:
    """Returns, inside jit, a tree whose leaves stay where `shardings` says, on the mesh of the arguments.

    Without it XLA is free to place what a step returns elsewhere, and the next step would be compiled again for that.
    """
    mesh = jax.typeof(jax.tree.leaves(tree)[0]).sharding.mesh
    return tree if mesh.empty else jax.lax.with_sharding_constraint(tree, shardings(tree, mesh))


def _plain(key: Any) -> Any:
    return getattr(key, "key", getattr(key, "name", getattr(key, "idx", key)))


def _check_divides(
    names: Sequence[Any],
    shape: tuple[int, ...],
    partition: PartitionSpec,
    mesh: jax.sharding.Mesh | jax.sharding.AbstractMesh,
) -> None:
    for dimension, axis in enumerate(partition):
        if axis is not None and shape[dimension] % mesh.shape[axis]:
            raise SpecError(
                f"mesh.{axis}: expected a divisor of dimension {dimension} of {'.'.join(map(str, names))} {shape}, "
                f"found {mesh.shape[axis]}"
            )


def check_batch(field: str, batch_size: int, mesh: jax.sharding.Mesh) -> None:
    """Raises a `SpecError` that names `field` where a global batch cannot be split over the mesh."""
    shares = mesh.shape["data"] * mesh.shape["fsdp"]
    if batch_size % shares:
        raise SpecError(f"{field}: expected a multiple of data × fsdp = {shares} devices, found {batch_size}")


def to_devices(batch: Batch, mesh: jax.sharding.Mesh) -> Batch:
    """Returns this host's rows of a global batch as global arrays, rows spread over the mesh."""
    sharding = NamedSharding(mesh, BATCH)
    return jax.tree.map(lambda array: jax.make_array_from_process_local_data(sharding, array), batch)


def to_hosts(tree: Any, mesh: jax.sharding.Mesh) -> Any:
    """Returns a tree of global arrays as numpy arrays, whole on every host."""
    return jax.tree.map(lambda array: np.asarray(_replicate(array, NamedSharding(mesh, REPLICATED))), tree)


def _replicate(array: jax.Array, sharding: NamedSharding) -> jax.Array:
    return array if array.is_fully_addressable else jax.jit(lambda x: x, out_shardings=sharding)(array)

"""The device mesh and every partition of the program (docs/design.md, decision 7).

Axes: `data` holds replicas of the model; `fsdp` shares out parameters and optimiser state, and a part of the batch;
`tensor` splits attention heads and MLP columns.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import mesh_utils
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from mmae_jax import spec
from mmae_jax.data.batch import Batch
from mmae_jax.spec import SpecError

Path = tuple[Any, ...]
"""Where a parameter is in the tree of a model."""
AXES = ("data", "fsdp", "tensor")
BATCH = PartitionSpec(("data", "fsdp"))
REPLICATED = PartitionSpec()

# Partition of each parameter by its name; a parameter stacked over layers has the layer axis first. What is named
# nowhere is a vector of its own, small beside any matrix, and the same on all devices. `fsdp` cuts rows of kernels:
# TPUs store rows in multiples of 8 at most, columns in multiples of 128, and pad a share that is none.
PARTITIONS = {
    "qkv_kernel": PartitionSpec(None, None, "fsdp", "tensor"),
    "qkv_bias": PartitionSpec(None, None, ("tensor", "fsdp")),
    "out_kernel": PartitionSpec(None, ("tensor", "fsdp")),
    "cross_q_kernel": PartitionSpec(None, "fsdp", "tensor"),
    "cross_k_kernel": PartitionSpec(None, "fsdp", "tensor"),
    "cross_v_kernel": PartitionSpec(None, "fsdp", "tensor"),
    "cross_out_kernel": PartitionSpec(None, ("tensor", "fsdp")),
    "up_kernel": PartitionSpec(None, "fsdp", "tensor"),
    "up_bias": PartitionSpec(None, ("tensor", "fsdp")),
    "down_kernel": PartitionSpec(None, ("tensor", "fsdp")),
} | dict.fromkeys(
    (
        *("attention_norm_scale", "attention_norm_bias", "out_bias", "attention_scale"),
        *("cross_norm_scale", "cross_norm_bias", "cross_out_bias"),
        *("mlp_norm_scale", "mlp_norm_bias", "down_bias", "mlp_scale"),
    ),
    PartitionSpec(None, "fsdp"),
)
EMBEDDING_KERNEL = PartitionSpec(None, None, "fsdp")
PARTITIONS |= dict.fromkeys(("known_kernel", "new_kernel"), EMBEDDING_KERNEL)
LINEAR_KERNEL = PartitionSpec("fsdp")


def leave_accelerators() -> None:
    """Keeps a process that computes nothing to the CPU: accelerators are for those that train, or are others'."""
    jax.config.update("jax_platforms", "cpu")


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
    types = (AxisType.Auto,) * len(AXES)
    slices = num_slices(devices)
    if slices == 1:
        return jax.make_mesh(tuple(sizes.values()), AXES, types, devices=devices)
    return jax.sharding.Mesh(_ordered_by_slice(sizes, slices, devices), AXES, axis_types=types)


def _ordered_by_slice(sizes: dict[str, int], slices: int, devices: Sequence[jax.Device]) -> np.ndarray:
    """Returns the devices of several slices such that `data`, which communicates least, crosses between them."""
    if sizes["data"] % slices == 0:
        within = (sizes["data"] // slices, sizes["fsdp"], sizes["tensor"])
        return mesh_utils.create_hybrid_device_mesh(within, (slices, 1, 1), devices, allow_split_physical_axes=True)
    if devices[0].platform == "tpu":
        raise SpecError(
            f"mesh.data: expected a multiple of the {slices} slices, between which only `data` may communicate, "
            f"found {sizes['data']}"
        )
    # Machines with GPUs: neighbours along `tensor` and `fsdp` are in one machine as far as they fit in.
    ordered = sorted(devices, key=lambda device: (device.slice_index, device.id))
    return np.array(ordered).reshape(tuple(sizes.values()))


def abstract_mesh(data: int = 1, fsdp: int = 1, tensor: int = 1) -> jax.sharding.AbstractMesh:
    """Returns a mesh of no devices, to tell shapes and divide them."""
    return jax.sharding.AbstractMesh((data, fsdp, tensor), AXES, axis_types=(AxisType.Auto,) * len(AXES))


def num_slices(devices: Iterable[jax.Device]) -> int:
    """Returns how many slices, with a slow network between them, devices lie in; 1 where the platform has none."""
    return len({getattr(device, "slice_index", None) for device in devices})


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
    for dimension, entry in enumerate(partition):
        axes = (entry,) if isinstance(entry, str) else entry or ()
        size = math.prod(mesh.shape[axis] for axis in axes)
        if shape[dimension] % size:
            raise SpecError(
                f"mesh.{' × mesh.'.join(axes)}: expected a divisor of dimension {dimension} of "
                f"{'.'.join(map(str, names))} {shape}, found {size}"
            )


def gathered(array: jax.Array, partition: PartitionSpec) -> jax.Array:
    """Returns, inside jit, a parameter put together from its `fsdp` shares for use; `tensor` keeps its own."""
    return placed(array, PartitionSpec(*map(_without_fsdp, partition)))


def _without_fsdp(entry: Any) -> Any:
    axes = (entry,) if isinstance(entry, str) else entry or ()
    left = tuple(axis for axis in axes if axis != "fsdp")
    return left if len(left) > 1 else next(iter(left), None)


def placed(array: jax.Array, partition: PartitionSpec) -> jax.Array:
    """Returns, inside jit, an array laid out by `partition` on the mesh of the arguments, if there is one."""
    mesh = jax.typeof(array).sharding.mesh
    return array if mesh.empty else jax.lax.with_sharding_constraint(array, NamedSharding(mesh, partition))


def by_rows(function: Callable[..., Any], *arrays: Any) -> Any:
    """Returns `function(*arrays)` of a batch, of which every device computes its own rows without asking the others.

    Args:
      function: maps trees of arrays with a leading batch axis to such trees, row by row.
      arrays: trees; their leaves lie on the mesh of the arguments of jit, if there is one.
    """
    meshes = [jax.typeof(leaf).sharding.mesh for leaf in jax.tree.leaves(arrays)]
    mesh = next((mesh for mesh in meshes if not mesh.empty), None)
    if mesh is None:
        return function(*arrays)
    return jax.shard_map(function, mesh=mesh, in_specs=BATCH, out_specs=BATCH)(*arrays)


def check_work(experiment: spec.Experiment, phase: str, mesh: jax.sharding.Mesh) -> None:
    """Raises a `SpecError` that names the field where the batch of a phase, or heads, cannot be split over the mesh."""
    shares, batch_size = mesh.shape["data"] * mesh.shape["fsdp"], experiment.phase(phase).batch_size
    if batch_size % shares:
        raise SpecError(
            f"{phase}.batch_size: expected a multiple of data × fsdp = {shares} devices, found {batch_size}"
        )
    for field in ("heads", "decoder_heads") if experiment.model.encoder == "mmae" else ("heads",):
        heads = getattr(experiment.model.architecture, field)
        if heads % mesh.shape["tensor"]:
            raise SpecError(f"mesh.tensor: expected a divisor of {heads} {field}, found {mesh.shape['tensor']}")


def process_rows(batch_size: int, mesh: jax.sharding.Mesh, process: int | None = None) -> tuple[range, ...]:
    """Returns the rows of a global batch that the devices of a process hold, in order, in as few ranges as possible.

    Several processes hold the same rows where the tensor axis spans them. Rows of a process may lie apart, where the
    mesh orders devices by their place in the network.

    Args:
      batch_size: rows of the global batch, a multiple of data × fsdp.
      mesh: devices of all processes.
      process: which process; this one if None.
    """
    process = jax.process_index() if process is None else process
    placed_at: dict[Any, Any] = dict(NamedSharding(mesh, BATCH).devices_indices_map((batch_size,)))
    held = {index[0].indices(batch_size)[:2] for device, index in placed_at.items() if device.process_index == process}
    rows: list[range] = []
    for start, stop in sorted(held):
        joins = rows and rows[-1].stop == start
        rows.append(range(rows.pop().start if joins else start, stop))
    return tuple(rows)


def to_devices(batch: Batch, mesh: jax.sharding.Mesh) -> Batch:
    """Returns this process's rows of a global batch (`process_rows`) as global arrays, rows spread over the mesh."""
    sharding = NamedSharding(mesh, BATCH)
    shares = mesh.shape["data"] * mesh.shape["fsdp"]
    own = sum(map(len, process_rows(shares, mesh)))

    def spread(array: np.ndarray) -> jax.Array:
        shape = (len(array) // own * shares, *array.shape[1:])
        return jax.make_array_from_process_local_data(sharding, array, shape)

    return jax.tree.map(spread, batch)


def to_hosts(tree: Any, mesh: jax.sharding.Mesh) -> Any:
    """Returns a tree of global arrays as numpy arrays, whole on every host."""
    if not all(leaf.is_fully_addressable for leaf in jax.tree.leaves(tree)):
        tree = _replicate(tree, NamedSharding(mesh, REPLICATED))
    return jax.tree.map(np.asarray, tree)


@functools.partial(jax.jit, static_argnames="everywhere")
def _replicate(tree: Any, everywhere: NamedSharding) -> Any:
    return jax.lax.with_sharding_constraint(tree, everywhere)


def platform_of(array: jax.Array) -> tuple[str, str]:
    """Returns, inside jit, platform and kind of the devices that compute: those of the arguments' mesh, or the default.

    Devices that are not there, for which a program is compiled ahead of time, count as any.
    """
    mesh = jax.typeof(array).sharding.mesh
    abstract = None if mesh.empty else mesh.abstract_device
    if abstract is not None:
        return abstract.platform, abstract.device_kind
    device = jax.devices()[0]
    return device.platform, device.device_kind

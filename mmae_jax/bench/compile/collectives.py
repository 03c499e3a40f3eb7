"""The communication between devices in a compiled program: kind, size, and along which axes of the mesh."""

from __future__ import annotations

import collections
import dataclasses
import math
import re
from collections.abc import Iterator

import jax
import numpy as np

from mmae_jax import parallel
from mmae_jax.bench.compile.hlo import Instruction, Module

KINDS = ("all-gather", "all-reduce", "reduce-scatter", "all-to-all", "collective-permute", "collective-broadcast")
NETWORK_DIMENSIONS = {"TPU v4": 3, "TPU v5 lite": 2, "TPU v5": 3, "TPU v6 lite": 2, "TPU7x": 3}
"""Kind of device → dimensions of the torus that its links form; the links of a GPU all reach all others."""


@dataclasses.dataclass(frozen=True)
class Collective:
    """Equal communications of one step.

    Attributes:
      kind: one of `KINDS`.
      axes: mesh axes along which devices communicate.
      num_bytes: size of the array a device has at its widest: after gathering, before scattering.
      sent: bytes a device sends in a ring.
      links: share of a device's links that such a ring can use: those along the network's dimensions in which its
        devices differ.
      sent_between_slices: bytes a device sends over the slow network.
      count: how many of them a step does.
      source: what of the program it is for, as XLA names it.
    """

    kind: str
    axes: tuple[str, ...]
    num_bytes: int
    sent: float
    links: float
    sent_between_slices: float
    count: float
    source: str


def find(module: Module, mesh: jax.sharding.Mesh) -> list[Collective]:
    """Returns the collectives of a step; equal ones are counted together."""
    devices = mesh.devices.reshape(-1)
    counts: dict[Collective, float] = collections.defaultdict(float)
    for times, instruction, operand_bytes, scatters in _instructions(module):
        kind = "reduce-scatter" if scatters else instruction.opcode.removesuffix("-start")
        members = groups(instruction.attributes, mesh.size)
        size = len(members[0])
        if size == 1:
            continue
        num_bytes = operand_bytes * (size if kind == "all-gather" else 1)
        source = re.search(r'op_name="([^"]*)"', instruction.attributes)
        collective = Collective(
            kind=kind,
            axes=_axes(members, mesh),
            num_bytes=num_bytes,
            sent=_sent(kind, num_bytes, size),
            links=_links(devices[members[0]]),
            sent_between_slices=0.0,
            count=1,
            source=source[1] if source else "",
        )
        counts[collective] += times
    for times, collective in _between_slices(module, devices):
        counts[collective] += times
    return [dataclasses.replace(collective, count=count) for collective, count in counts.items()]


def _between_slices(module: Module, devices: np.ndarray) -> Iterator[tuple[float, Collective]]:
    """Yields what XLA for TPUs hands to the hosts: the part of a reduction that crosses slices (mesh axis `data`)."""
    slices = parallel.num_slices(devices)
    for times, computation, instruction in module.walk():
        transfer = re.search(r'_xla_megascale_transfer_type="(\w+)"', instruction.attributes)
        if instruction.opcode == "send" and transfer:
            kind, num_bytes = transfer[1].lower().replace("_", "-"), computation[instruction.operands[0]].num_bytes
            sent = _sent(kind, num_bytes, slices)
            yield times, Collective(kind, ("data",), num_bytes, 0.0, 1.0, sent, 1, "between slices")


def _instructions(module: Module) -> Iterator[tuple[float, Instruction, int, bool]]:
    """Yields how often, what, its operands' bytes, and whether XLA for TPUs fused it with slicing the result."""
    for times, computation, instruction in module.walk():
        if _is_collective(instruction):
            yield times, instruction, sum(computation[name].num_bytes for name in instruction.operands), False
        elif instruction.opcode == "fusion":
            fused = module.fused(instruction)
            scatters = any("all-reduce-scatter" in name for name in instruction.called("calls"))
            for inner in filter(_is_collective, fused.values()):
                operand_bytes = sum(fused[name].num_bytes for name in inner.operands)
                outer = dataclasses.replace(inner, attributes=f"{inner.attributes} {instruction.attributes}")
                yield times, outer, operand_bytes, scatters


def _is_collective(instruction: Instruction) -> bool:
    return instruction.opcode.removesuffix("-start") in KINDS


def _sent(kind: str, num_bytes: int, size: int) -> float:
    if kind in ("collective-permute", "collective-broadcast"):
        return float(num_bytes)
    passes = 2 if kind == "all-reduce" else 1  # reduce-scatter and all-gather
    return passes * num_bytes * (size - 1) / size


def groups(attributes: str, num_devices: int) -> np.ndarray:
    """Returns which devices, by their position in the mesh, communicate: int `[groups, size]`."""
    named = re.search(r"replica_groups=mesh\[([^\]]*)\](?:, device_ids=\((.*?)\))? \{([^}]*)\}", attributes)
    if named:
        axes = re.findall(r"'(\w+)'=(\d+)", named[1])
        shape = [int(size) for _, size in axes]
        grid = _ids(named[2] or f"[{math.prod(shape)}]").reshape(shape)
        last = [index for index, (name, _) in enumerate(axes) if f"'{name}'" in named[3]]
        order = [index for index in range(len(axes)) if index not in last] + last
        return grid.transpose(order).reshape(-1, math.prod(grid.shape[index] for index in last))
    iota = re.search(r"replica_groups=\[(\d+),(\d+)\]<=(\[[\d,]+\](?:T\([\d,]+\))?)", attributes)
    if iota:
        return _ids(iota[3]).reshape(int(iota[1]), int(iota[2]))
    listed = re.search(r"(?:replica_groups|source_target_pairs)=\{(\{[\d,{}]*\})\}", attributes)
    if listed:
        return np.array([[int(i) for i in group.split(",")] for group in re.findall(r"\{([\d,]+)\}", listed[1])])
    return np.arange(num_devices)[None]


def _ids(text: str) -> np.ndarray:
    """Returns what `[2,4]T(1,0)` (counted up, then transposed) or `0,2,1,3` stands for: int `[devices]`."""
    iota = re.match(r"\[([\d,]+)\](?:T\(([\d,]+))?", text)
    if not iota:
        return np.array([int(i) for i in text.split(",")])
    shape = [int(size) for size in iota[1].split(",")]
    grid = np.arange(math.prod(shape)).reshape(shape)
    return (grid.transpose([int(axis) for axis in iota[2].split(",")]) if iota[2] else grid).reshape(-1)


def _links(devices: np.ndarray) -> float:
    places = np.array([getattr(device, "coords", (0,)) for device in devices])
    whole = max(1, NETWORK_DIMENSIONS.get(getattr(devices[0], "device_kind", ""), 1))
    return max(1, int((places != places[:1]).any(axis=0).sum())) / whole


def _axes(groups: np.ndarray, mesh: jax.sharding.Mesh) -> tuple[str, ...]:
    """Returns the mesh axes along which the devices of a group differ."""
    places = np.stack(np.unravel_index(groups, mesh.devices.shape), axis=-1)
    differ = (places != places[:, :1]).any(axis=(0, 1))
    return tuple(name for name, differs in zip(mesh.axis_names, differ, strict=True) if differs)

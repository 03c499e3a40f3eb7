"""Bytes that a compiled program moves to and from device memory, loops counted by their length."""

from __future__ import annotations

from mmae_jax.bench.hlo import Computation, Instruction, Module

# They name, group or describe values, or their bodies are counted instead.
_FREE = (
    *("parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "opt-barrier"),
    *("while", "conditional", "call", "partition-id", "replica-id"),
)
_SLICES = ("dynamic-slice", "slice", "gather")


def memory_bytes(module: Module) -> float:
    """Returns the bytes read and written in device memory by one run of the program on one device.

    An instruction reads its operands and writes its result, and of what it slices or updates only the part; what
    TPUs keep in their scratchpad is not counted, nor the padding of arrays to tiles.
    """
    return sum(times * _bytes(module, computation, one) for times, computation, one in module.walk())


def _bytes(module: Module, computation: Computation, instruction: Instruction) -> int:
    opcode = instruction.opcode
    if opcode in _FREE or opcode.endswith("-start"):
        return 0
    if opcode.endswith("-done"):
        return instruction.num_bytes  # of a copy between memory and scratchpad one end counts
    operands = [computation[name] for name in instruction.operands]
    if opcode in _SLICES:
        return sum(array.num_bytes for array in instruction.result) + instruction.memory_bytes
    if opcode == "dynamic-update-slice":
        return 2 * operands[1].num_bytes
    if opcode == "fusion":
        return _fusion_bytes(module.fused(instruction), instruction, operands)
    return instruction.memory_bytes + sum(operand.memory_bytes for operand in operands)


def _fusion_bytes(fused: Computation, instruction: Instruction, operands: list[Instruction]) -> int:
    users: dict[str, list[Instruction]] = {name: [] for name in fused}
    for inner in fused.values():
        for name in inner.operands:
            users[name].append(inner)
    parameters = [inner for inner in fused.values() if inner.opcode == "parameter"]
    total = 0
    for parameter in parameters:
        operand = operands[int(parameter.attributes)]
        if operand.memory_bytes:
            total += min(operand.memory_bytes, _read(parameter, users))
    root = next(inner for inner in fused.values() if inner.is_root)
    written = [fused[name] for name in root.operands] if root.opcode == "tuple" else [root]
    if len(written) != len(instruction.result):
        return total + instruction.memory_bytes
    for inner, array in zip(written, instruction.result, strict=True):
        updated = _through_bitcasts(inner, fused)
        if array.in_memory:
            is_update = updated.opcode == "dynamic-update-slice"
            total += fused[updated.operands[1]].num_bytes if is_update else array.num_bytes
    return total


def _read(value: Instruction, users: dict[str, list[Instruction]]) -> int:
    """Returns the bytes of `value` that a fusion reads: all, unless it only slices or updates it."""
    total = 0
    for user in users[value.name]:
        if user.opcode == "bitcast":
            total += _read(user, users)
        elif user.opcode in _SLICES:
            total += user.num_bytes
        elif user.opcode != "dynamic-update-slice" or user.operands[0] != value.name:
            return value.num_bytes
    return total


def _through_bitcasts(value: Instruction, fused: Computation) -> Instruction:
    while value.opcode == "bitcast":
        value = fused[value.operands[0]]
    return value

"""Bytes that a compiled program moves to and from device memory, loops counted by their length."""

from __future__ import annotations

from mmae_jax.bench.compile.hlo import Computation, Instruction, Module

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


def kernels(module: Module) -> float:
    """Returns how many instructions one run of the program executes: on GPUs each is a kernel, a copy or a product."""
    return sum(times for times, _, one in module.walk() if one.opcode not in _FREE and not one.opcode.endswith("-done"))


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
        return _fusion_bytes(module, instruction, operands)
    return instruction.memory_bytes + sum(operand.memory_bytes for operand in operands)


def _fusion_bytes(module: Module, fusion: Instruction, operands: list[Instruction]) -> int:
    read = [
        min(one.memory_bytes, _read(module, fusion, index)) for index, one in enumerate(operands) if one.memory_bytes
    ]
    fused = module.fused(fusion)
    root = next(inner for inner in fused.values() if inner.is_root)
    results = [fused[name] for name in root.operands] if root.opcode == "tuple" else [root]
    if len(results) != len(fusion.result):
        return sum(read) + fusion.memory_bytes
    pairs = zip(results, fusion.result, strict=True)
    return sum(read) + sum(_written(module, fused, result) for result, array in pairs if array.in_memory)


def _read(module: Module, fusion: Instruction, index: int) -> int:
    """Returns the bytes of operand `index` that a fusion reads: all, unless it only slices or updates it."""
    fused = module.fused(fusion)
    parameter = next(inner for inner in fused.values() if inner.opcode == "parameter" and _number(inner) == index)
    return _read_by_users(module, fused, parameter)


def _number(parameter: Instruction) -> int:
    return int(parameter.attributes.partition(",")[0])  # what follows are metadata


def _read_by_users(module: Module, fused: Computation, value: Instruction) -> int:
    total = 0
    for user in fused.values():
        for position, name in enumerate(user.operands):
            if name != value.name:
                continue
            if user.opcode == "bitcast":
                total += _read_by_users(module, fused, user)
            elif user.opcode == "fusion":
                total += _read(module, user, position)
            elif user.opcode in _SLICES and position == 0:
                total += user.num_bytes
            elif user.opcode != "dynamic-update-slice" or position != 0:
                return value.num_bytes
    return total


def _written(module: Module, fused: Computation, result: Instruction) -> int:
    """Returns the bytes of a fusion's result that it writes: all, unless it updates a part of an operand in place."""
    if result.opcode == "bitcast":
        return _written(module, fused, fused[result.operands[0]])
    if result.opcode == "dynamic-update-slice":
        return fused[result.operands[1]].num_bytes
    if result.opcode == "fusion":
        inner = module.fused(result)
        root = next(one for one in inner.values() if one.is_root)
        return result.num_bytes if root.opcode == "tuple" else _written(module, inner, root)
    return result.num_bytes

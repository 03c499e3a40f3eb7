"""Reads what XLA prints of a compiled program: its instructions, and how often each runs.

XLA's own cost analysis takes the body of a loop once; a transformer is a loop over its blocks.
"""

from __future__ import annotations

import collections
import dataclasses
import re
from collections.abc import Iterator

ITEM_BITS = {"pred": 8, "bf16": 16, "tf32": 32, "c64": 64, "c128": 128}
_ARRAY = re.compile(r"\b(pred|bf16|[suf]\d+\w*|c64|c128)\[([\d,]*)\](?:\{([^}]*)\})?")
_COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
_INSTRUCTION = re.compile(r"^\s+(ROOT )?%?([\w.\-]+) = (.*)$")


@dataclasses.dataclass(frozen=True)
class Array:
    """One array of a result: its bytes without padding, and whether it lies in device memory."""

    num_bytes: int
    in_memory: bool


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One instruction.

    Attributes:
      name: unique in its computation.
      opcode: e.g. `all-gather`.
      result: its arrays, several where it is a tuple.
      operands: names of instructions.
      attributes: what follows the operands, as printed.
      is_root: whether it is the result of its computation.
    """

    name: str
    opcode: str
    result: tuple[Array, ...]
    operands: tuple[str, ...]
    attributes: str
    is_root: bool

    @property
    def num_bytes(self) -> int:
        """Bytes of the result."""
        return sum(array.num_bytes for array in self.result)

    @property
    def memory_bytes(self) -> int:
        """Bytes of the result that lie in device memory; TPUs keep some in a scratchpad."""
        return sum(array.num_bytes for array in self.result if array.in_memory)

    def called(self, *kinds: str) -> tuple[str, ...]:
        """Returns the computations named by attributes such as `body` or `calls`."""
        found = re.findall(rf"\b(?:{'|'.join(kinds)})=(\{{[^}}]*\}}|%?[\w.\-]+)", self.attributes)
        return tuple(name for names in found for name in re.findall(r"[\w.\-]+", names))


Computation = dict[str, Instruction]


@dataclasses.dataclass(frozen=True)
class Module:
    """A compiled program: its computations by name, and the one it begins with."""

    computations: dict[str, Computation]
    entry: str

    def times_run(self) -> dict[str, float]:
        """Returns how often each computation that is no part of a fusion runs; loops of unknown length count once."""
        times: dict[str, float] = collections.defaultdict(float)

        def visit(name: str, factor: float) -> None:
            times[name] += factor
            for instruction in self.computations[name].values():
                if instruction.opcode == "while":
                    length = self._length(instruction)
                    visit(instruction.called("body")[0], factor * length)
                    visit(instruction.called("condition")[0], factor * (length + 1))
                elif instruction.opcode in ("call", "conditional") or instruction.opcode.startswith("async-start"):
                    for called in instruction.called("calls", "to_apply", "branch_computations"):
                        visit(called, factor)

        visit(self.entry, 1.0)
        return dict(times)

    def _length(self, loop: Instruction) -> int:
        known = re.search(r'known_trip_count":\{"n":"(\d+)"', loop.attributes)
        if known:
            return int(known[1])
        # The condition of a scan compares a counter with a constant.
        condition = self.computations[loop.called("condition")[0]]
        root = next(instruction for instruction in condition.values() if instruction.is_root)
        limits = [condition[name].attributes for name in root.operands if condition[name].opcode == "constant"]
        if root.opcode != "compare" or "direction=LT" not in root.attributes or len(limits) != 1:
            return 1
        return int(limits[0])

    def fused(self, instruction: Instruction) -> Computation:
        """Returns the computation of a fusion."""
        return self.computations[instruction.called("calls")[0]]

    def walk(self) -> Iterator[tuple[float, Computation, Instruction]]:
        """Yields every instruction outside of fusions with its computation and how often it runs."""
        for name, times in self.times_run().items():
            for instruction in self.computations[name].values():
                yield times, self.computations[name], instruction


def parse(text: str) -> Module:
    """Returns the program that `jax.stages.Compiled.as_text` printed."""
    computations: dict[str, Computation] = {}
    entry, current = "", {}
    for line in text.splitlines():
        begun = _COMPUTATION.match(line)
        if begun:
            current = computations[begun[2]] = {}
            entry = begun[2] if begun[1] else entry
        elif (found := _INSTRUCTION.match(line)) is not None:
            instruction = _instruction(found[2], found[3], is_root=found[1] is not None)
            current[instruction.name] = instruction
    return Module(computations, entry)


def _instruction(name: str, text: str, *, is_root: bool) -> Instruction:
    end = _closing(text, 0) if text.startswith("(") else text.index(" ")
    shape, rest = text[:end], text[end:].lstrip()
    opcode, _, rest = rest.partition("(")
    close = _closing("(" + rest, 0) - 2
    operands, attributes = rest[:close], rest[close + 1 :]
    if opcode == "constant":
        return Instruction(name, opcode, _arrays(shape), (), operands, is_root)
    names = tuple(re.findall(r"%([\w.\-]+)", operands)) if opcode != "parameter" else ()
    return Instruction(name, opcode, _arrays(shape), names, operands + attributes if not names else attributes, is_root)


def _closing(text: str, start: int) -> int:
    """Returns the index after the parenthesis that closes the one at `start`."""
    depth = 0
    for index in range(start, len(text)):
        depth += (text[index] == "(") - (text[index] == ")")
        if depth == 0:
            return index + 1
    return len(text)


def _arrays(shape: str) -> tuple[Array, ...]:
    found = []
    for dtype, dimensions, layout in _ARRAY.findall(shape):
        bits = ITEM_BITS.get(dtype) or int(re.findall(r"\d+", dtype)[0])
        size = 1
        for length in filter(None, dimensions.split(",")):
            size *= int(length)
        found.append(Array(-(-size * bits // 8), "S(" not in layout))
    return tuple(found)

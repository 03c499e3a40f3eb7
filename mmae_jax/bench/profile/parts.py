"""Which part of the model an operation belongs to, and of which kind its work is."""

from __future__ import annotations

import collections
import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from mmae_jax.bench.compile.hlo import Computation, Instruction, Module

Pass = Literal["forward", "backward", "recomputed"]

NO_PART = "no part"
FARTHEST_USER = 4
"""From an empty array to its loop there are a copy and a tuple."""
_PART = re.compile(r"resize|embed|mask|(?:encoder|decoder|head)_\w+|joint|pixels|loss|optimizer")
_RECOMPUTED = "rematted_computation"
_OP_NAME = re.compile(r'op_name="([^"]*)"')
_SHARED_NAME = re.compile(r'deduplicated_name="([^"]*)"')
_TARGET = re.compile(r'custom_call_target="([^"]*)"')

PRODUCTS, ATTENTION, REDUCTIONS, ELEMENTWISE = "matrix products", "attention kernels", "reductions", "element-wise"
COPIES, COLLECTIVES, OTHERS = "copies", "collectives", "others"
KINDS = (PRODUCTS, ATTENTION, REDUCTIONS, ELEMENTWISE, COPIES, COLLECTIVES, OTHERS)

_ATTENTION = re.compile(r"mha|flash|splash|sdpa|attention", re.IGNORECASE)
_PRODUCT = re.compile(r"gemm|cublas|nvjet|cutlass|matmul|conv(?!ert)|\bdot|_dot|xmma", re.IGNORECASE)
_COLLECTIVE = re.compile(r"all-gather|all-reduce|reduce-scatter|all-to-all|collective|nccl|send|recv|ragged-all")
_COPY = ("copy", "copy-start", "copy-done", "transpose", "bitcast-convert", "slice-start", "slice-done")
_COPY_KERNEL = re.compile(r"memcpy|memset|transpose|copy", re.IGNORECASE)
_ELEMENTWISE = re.compile(r"fusion|elementwise|loop_|wrapped_")
_NO_WORK = ("parameter", "constant", "bitcast", "tuple", "get-tuple-element")
_NOT_ELEMENTWISE = (
    *("sort", "gather", "scatter", "custom-call", "rng", "rng-bit-generator", "while", "conditional", "call"),
    *("infeed", "outfeed", "topk", "fft", "cholesky", "triangular-solve"),
)


@dataclasses.dataclass(frozen=True)
class Place:
    """Where an operation belongs.

    Attributes:
      part: named scope of the step, such as `encoder_s2`; None where it lies in none.
      direction: whether it is of the forward pass, the backward pass, or computed again for the latter.
      kind: one of `KINDS`.
    """

    part: str | None
    direction: Pass
    kind: str


class Program:
    """Tells the place of each operation of a compiled program."""

    def __init__(self, module: Module) -> None:
        """Reads the program, as `hlo.parse` returns it."""
        self._module = module
        self._instructions: dict[str, Instruction] = {}
        self._users: dict[str, list[str]] = collections.defaultdict(list)
        for computation in module.computations.values():
            self._instructions |= computation
            for one in computation.values():
                for operand in one.operands:
                    self._users[operand].append(one.name)
        # Kernels of GPUs are called as their instructions, with other punctuation; equal ones share one name.
        self._by_kernel: dict[str, list[Instruction]] = collections.defaultdict(list)
        for one in self._instructions.values():
            for name in {one.name, *_SHARED_NAME.findall(one.attributes)}:
                self._by_kernel[_plain(name)].append(one)

    def place(self, operation: str, kernel: str, scope: str = "") -> Place:
        """Returns where an operation belongs; arguments as the fields of `trace.Event`."""
        known = self._instructions.get(operation)
        found = [known] if known else self._by_kernel.get(_plain(operation), [])
        if not found:
            return Place(part_of(scope), pass_of(scope), _kind_of_kernel(kernel))
        paths = [next(filter(part_of, self._paths(one)), _op_name(one) or scope) for one in found]
        places = {(part_of(path), pass_of(path)) for path in paths}
        part, direction = places.pop() if len(places) == 1 else (None, pass_of(paths[0]))
        return Place(part, direction, self._kind(found[0], kernel))

    def _paths(self, instruction: Instruction) -> Iterator[str]:
        """Yields scopes it may belong to, the surest first: its own, those inside of it, of its users and operands.

        What the compiler adds, such as copies to another layout and the empty arrays that a loop fills, has none of its
        own.
        """
        yield _op_name(instruction)
        inside = [_op_name(one) for one in self._inner(instruction).values()]
        yield from (path for path, _ in collections.Counter(inside).most_common())
        reached = {instruction.name}
        users: Sequence[str] = self._users[instruction.name]
        for _ in range(FARTHEST_USER):
            users = [name for name in dict.fromkeys(users) if name not in reached]
            yield from (_op_name(self._instructions[name]) for name in users)
            reached |= set(users)
            users = [further for name in users for further in self._users[name]]
        yield from (_op_name(self._instructions[name]) for name in instruction.operands)

    def _inner(self, instruction: Instruction) -> Computation:
        groups = instruction.opcode in ("fusion", "call") or instruction.opcode.endswith("-start")
        called = instruction.called("calls", "to_apply") if groups else ()
        bodies = [self._module.computations[name] for name in called]
        return {name: one for body in bodies for name, one in body.items() if one.opcode not in _NO_WORK}

    def _kind(self, instruction: Instruction, kernel: str) -> str:
        opcode, inner = instruction.opcode, self._inner(instruction)
        if opcode == "custom-call":
            target = _TARGET.search(instruction.attributes)
            return _kind_of_kernel(f"{target[1] if target else ''} {instruction.name} {kernel}")
        if _COLLECTIVE.match(opcode):
            return COLLECTIVES
        if inner:
            return max((self._kind(one, "") for one in inner.values()), key=_IN_FUSION.__getitem__)
        if opcode in ("dot", "convolution", "ragged-dot"):
            return PRODUCTS
        if opcode in ("reduce", "reduce-window", "select-and-scatter"):
            return REDUCTIONS
        if opcode in _COPY:
            return COPIES
        return OTHERS if opcode in _NOT_ELEMENTWISE else ELEMENTWISE


_IN_FUSION: Mapping[str, int] = {
    kind: rank for rank, kind in enumerate((COPIES, ELEMENTWISE, OTHERS, REDUCTIONS, COLLECTIVES, PRODUCTS, ATTENTION))
}
"""What a fusion of several kinds counts as: the highest."""


def part_of(path: str) -> str | None:
    """Returns the innermost part among the scopes of a path such as `jit(f)/transpose(jvp(encoder_s2))/dot_general`."""
    if "[" in path:  # an argument of the program, `state.params['encoder']`
        return None
    words = re.findall(r"[\w.\-]+", path)
    return next((word for word in reversed(words) if _PART.fullmatch(word)), None)


def pass_of(path: str) -> Pass:
    """Returns whether a path belongs to the forward or backward pass, or to what that computes again."""
    if _RECOMPUTED in path:
        return "recomputed"
    return "backward" if "transpose(" in path else "forward"  # without parenthesis it swaps axes


def _kind_of_kernel(name: str) -> str:
    if _ATTENTION.search(name):
        return ATTENTION
    if _COLLECTIVE.search(name):
        return COLLECTIVES
    if _PRODUCT.search(name):
        return PRODUCTS
    if "reduce" in name:
        return REDUCTIONS
    if _COPY_KERNEL.search(name):
        return COPIES
    return ELEMENTWISE if _ELEMENTWISE.search(name) else OTHERS


def _op_name(instruction: Instruction) -> str:
    found = _OP_NAME.search(instruction.attributes)
    return found[1] if found else ""


def _plain(name: str) -> str:
    return re.sub(r"\W", "_", name)

"""A profile: the time of a step by part of the model, by kind of work, and its longest operations."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

from mmae_jax.bench.compile import hlo
from mmae_jax.bench.profile.parts import KINDS, NO_PART, Place, Program
from mmae_jax.bench.profile.trace import OperationTime, Trace

K = TypeVar("K", bound=Hashable)

LONGEST = 12
MILLI = 1e-3


@dataclasses.dataclass(frozen=True)
class Operation:
    """One operation of a step: seconds and runs, of one step on one device."""

    name: str
    part: str
    kind: str
    seconds: float
    count: float


@dataclasses.dataclass(frozen=True)
class Profile:
    """Where the time of a step goes; seconds of one step on one device.

    Attributes:
      seconds: time of all operations together; more than a step takes where several run at once.
      parts: part of the model → `forward`, `backward` and `recomputed`; the longest first.
      kinds: kind of work → seconds.
      counts: kind of work → operations run.
      unattributed: share of the time that belongs to no part.
      idle: share of the time in which a device did nothing.
      longest: the longest operations.
    """

    seconds: float
    parts: Mapping[str, Mapping[str, float]]
    kinds: Mapping[str, float]
    counts: Mapping[str, float]
    unattributed: float
    idle: float
    longest: Sequence[Operation]


def profile(trace: Trace, text: str, runs: int) -> Profile:
    """Returns the profile of a program.

    Args:
      trace: a trace of some steps.
      text: the compiled program (`jax.stages.Compiled.as_text`).
      runs: steps times devices that the trace holds.
    """
    program = Program(hlo.parse(text))
    placed = [(one, program.place(one.operation, one.kernel, one.scope)) for one in trace.operations]
    kinds = _summed(placed, lambda place: place.kind)
    counts: collections.Counter[str] = collections.Counter()
    for one, place in placed:
        counts[place.kind] += one.count
    parts = _summed(placed, lambda place: place.part or NO_PART)
    passes = _summed(placed, lambda place: (place.part or NO_PART, place.direction))
    total = trace.seconds
    return Profile(
        seconds=total / runs,
        parts={
            part: {one: passes.get((part, one), 0.0) / runs for one in ("forward", "backward", "recomputed")}
            for part in sorted(parts, key=lambda part: -parts[part])
        },
        kinds={kind: kinds[kind] / runs for kind in KINDS if kind in kinds},
        counts={kind: counts[kind] / runs for kind in KINDS if kind in kinds},
        unattributed=parts.get(NO_PART, 0.0) / total if total else 0.0,
        idle=trace.idle,
        longest=[
            Operation(one.operation, place.part or NO_PART, place.kind, one.seconds / runs, one.count / runs)
            for one, place in placed[:LONGEST]
        ],
    )


def _summed(placed: Sequence[tuple[OperationTime, Place]], key: Callable[[Place], K]) -> dict[K, float]:
    sums: dict[K, float] = collections.defaultdict(float)
    for one, place in placed:
        sums[key(place)] += one.seconds
    return dict(sums)


def describe(found: Profile) -> list[str]:
    """Returns a profile as lines to read."""
    lines = [
        f"{'ms a step, by part of the model':<34}{'all':>10}{'share':>8}{'forward':>10}{'backward':>10}{'again':>10}"
    ]
    for part, passes in found.parts.items():
        numbers = "".join(f"{passes[one] / MILLI:10.3f}" for one in ("forward", "backward", "recomputed"))
        whole = sum(passes.values())
        lines.append(f"  {part:<32}{whole / MILLI:10.3f}{_share(whole, found):>8}{numbers}")
    lines.append(f"{'by kind of work':<34}{'all':>10}{'share':>8}{'number':>10}")
    for kind, seconds in found.kinds.items():
        lines.append(f"  {kind:<32}{seconds / MILLI:10.3f}{_share(seconds, found):>8}{found.counts[kind]:10.0f}")
    lines.append("longest operations")
    for one in found.longest:
        place = f"{one.part}, {one.kind}"
        lines.append(
            f"  {one.name[:31]:<32}{one.seconds / MILLI:10.3f}{_share(one.seconds, found):>8}{one.count:10.0f}  {place}"
        )
    lines.append(f"  {_plain(found)}")
    return lines


def _share(seconds: float, found: Profile) -> str:
    return f"{seconds / found.seconds:.1%}" if found.seconds else "–"


def _plain(found: Profile) -> str:
    return f"of the time {found.unattributed:.1%} belongs to no part; devices were idle for {found.idle:.1%}"

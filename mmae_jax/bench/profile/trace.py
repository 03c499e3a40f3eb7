"""Traces a few runs of a compiled program, and reads from the trace how long each of its operations took."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import re
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jax

NANO = 1e-9
HOST = "/host:CPU"
DEVICE = "/device:"
TPU_OPERATIONS = "XLA Ops"
_INSTRUCTION = re.compile(r"%?([\w.\-]+)(?: = .*)?", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Event:
    """One run of one operation on one device.

    Attributes:
      operation: name of the HLO instruction; that of the kernel where the profiler does not tell.
      kernel: what ran: the kernel on GPUs, the instruction elsewhere.
      start, end: nanoseconds.
      scope: path of named scopes, where the profiler tells; else empty.
    """

    operation: str
    kernel: str
    start: float
    end: float
    scope: str = ""


@dataclasses.dataclass(frozen=True)
class OperationTime:
    """Time of one operation, all its runs on all devices together, without what ran inside of it.

    Attributes:
      operation, kernel, scope: names, as those of its events.
      seconds: time of all its runs.
      count: how often it ran.
    """

    operation: str
    kernel: str
    scope: str
    seconds: float
    count: int


@dataclasses.dataclass(frozen=True)
class Trace:
    """What a trace tells.

    Attributes:
      operations: the longest first.
      idle: share of the time between the first and the last event in which a device did nothing.
    """

    operations: tuple[OperationTime, ...]
    idle: float

    @property
    def seconds(self) -> float:
        """Sum of all operations; more than the time that passed where several ran at once."""
        return sum(one.seconds for one in self.operations)


@contextlib.contextmanager
def tracing(folder: Path) -> Iterator[None]:
    """Traces devices, not Python, while it is entered; the trace lies in `folder`."""
    options = jax.profiler.ProfileOptions()
    options.python_tracer_level = 0
    jax.profiler.start_trace(str(folder), profiler_options=options)
    try:
        yield
    finally:
        jax.profiler.stop_trace()


def read_trace(folder: Path, module: str) -> Trace:
    """Reads the newest trace below `folder`.

    Args:
      folder: the folder that `tracing` wrote to.
      module: name of the compiled program (`jit_train_step`); what other programs did is left out.

    Raises:
      ValueError: the profiler wrote nothing of the program.
    """
    newest = max(folder.rglob("*.xplane.pb"), key=lambda file: file.stat().st_mtime)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "builtin type event_stats", DeprecationWarning)
        planes = list(_planes(jax.profiler.ProfileData.from_file(str(newest)), module))
    if not planes:
        raise ValueError(f"the profiler tells nothing of {module}")
    return summary(planes)


def summary(planes: Iterable[Iterable[list[Event]]]) -> Trace:
    """Returns the trace of some devices, each with lines of events, of which those on one line nest or are disjoint."""
    seconds: dict[tuple[str, str, str], float] = collections.defaultdict(float)
    counts: collections.Counter[tuple[str, str, str]] = collections.Counter()
    busy = passed = 0.0
    for plane in planes:
        events = []
        for line in plane:
            for event, own in _own_times(line):
                key = (event.operation, event.kernel, event.scope)
                seconds[key] += own * NANO
                counts[key] += 1
            events += line
        if events:
            busy += _union(events)
            passed += max(event.end for event in events) - min(event.start for event in events)
    ordered = sorted(seconds, key=lambda key: -seconds[key])
    operations = tuple(OperationTime(*key, seconds[key], counts[key]) for key in ordered)
    return Trace(operations, 1 - busy / passed if passed else 0.0)


def _own_times(line: Iterable[Event]) -> Iterator[tuple[Event, float]]:
    """Yields each event of a line with its nanoseconds without those of the events inside of it."""
    open_events: list[tuple[Event, float]] = []
    for event in sorted(line, key=lambda event: (event.start, -event.end)):
        while open_events and open_events[-1][0].end <= event.start:
            yield open_events.pop()
        if open_events:
            around, own = open_events.pop()
            open_events.append((around, own - (min(event.end, around.end) - event.start)))
        open_events.append((event, event.end - event.start))
    yield from reversed(open_events)


def _union(events: Iterable[Event]) -> float:
    total, reached = 0.0, -1.0
    for event in sorted(events, key=lambda event: event.start):
        total += max(0.0, event.end - max(event.start, reached))
        reached = max(reached, event.end)
    return total


def _planes(data: Any, module: str) -> Iterator[list[list[Event]]]:
    """Yields the lines of each device; of the host, the operations that it computed as a device."""
    for plane in data.planes:
        if not plane.name.startswith(DEVICE) and plane.name != HOST:
            continue
        lines = list(plane.lines)
        # GPUs have a line for each stream, TPUs one for operations; other lines repeat them in other groups.
        streams = [line for line in lines if plane.name == HOST or line.name.startswith("Stream")]
        chosen = streams or [line for line in lines if line.name == TPU_OPERATIONS]
        found = [list(_events(line, module, on_host=plane.name == HOST)) for line in chosen]
        if any(found):
            yield found


def _events(line: Any, module: str, *, on_host: bool) -> Iterator[Event]:
    for event in line.events:
        stats = {name: str(value) for name, value in event.stats if name in ("hlo_op", "hlo_module", "tf_op")}
        if ("hlo_op" not in stats and on_host) or stats.get("hlo_module", module).partition("(")[0] != module:
            continue
        matched = _INSTRUCTION.fullmatch(event.name)
        kernel = matched[1] if matched else event.name
        start = event.start_ns
        yield Event(stats.get("hlo_op", kernel), kernel, start, start + event.duration_ns, stats.get("tf_op", ""))

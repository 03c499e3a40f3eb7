"""What a start takes: seconds from the command to the end of the first step, by what they are spent on."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax

CACHE_EVENTS = {"/jax/compilation_cache/cache_hits": "cached", "/jax/compilation_cache/cache_misses": "compiled"}


@dataclasses.dataclass(frozen=True)
class Start:
    """Seconds until the end of the first step.

    Attributes:
      importing: Python and packages, since the process began; None where the system does not tell.
      devices: finding the devices.
      drawing: parameters and optimiser state, compiling included.
      tracing: the step, from Python to what the compiler reads.
      compiling: the step.
      first_step: loading the program, and one step.
      cached: programs that the compilation cache held.
      compiled: programs that it did not hold; 0 without a cache.
    """

    importing: float | None
    devices: float
    drawing: float
    tracing: float
    compiling: float
    first_step: float
    cached: int
    compiled: int

    @property
    def seconds(self) -> float:
        """All of it."""
        return (self.importing or 0.0) + self.devices + self.drawing + self.tracing + self.compiling + self.first_step


class Stopwatch:
    """Seconds of the stages of a start, by name of the field of `Start`; and what the compilation cache held."""

    def __init__(self) -> None:
        self._found: dict[str, Any] = {"importing": seconds_of_process(), "cached": 0, "compiled": 0}

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measures what happens within, an exception or not."""
        jax.monitoring.register_event_listener(self._count)
        begin = time.perf_counter()
        try:
            yield
        finally:
            self._found[name] = time.perf_counter() - begin
            jax.monitoring.unregister_event_listener(self._count)

    def start(self) -> Start:
        """Returns the start, once all its stages are done."""
        return Start(**self._found)

    def _count(self, event: str, **_: Any) -> None:
        if event in CACHE_EVENTS:
            self._found[CACHE_EVENTS[event]] += 1


def seconds_of_process() -> float | None:
    """Returns for how many seconds this process has run; None where the system does not tell."""
    stat = Path("/proc/self/stat")
    if not stat.exists():
        return None
    began = int(stat.read_text(encoding="utf-8").rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - began

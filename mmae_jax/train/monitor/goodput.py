"""Share of time that a run spent on steps it kept, over all its restarts.

`goodput.jsonl` in the working directory has one JSON object a line, written at once: the start of each session (a phase
in a process), and how long its steps took so far. A session that is killed leaves what it wrote. Steps that a later
session repeats, as they came after the checkpoint it began with, were not kept.
"""

from __future__ import annotations

import dataclasses
import math
import time
import types
from collections.abc import Mapping, Sequence
from typing import Any

from etils import epath

from mmae_jax.train.monitor.lines import append_line, drop_torn_line, read_lines

GOODPUT_FILE = "goodput.jsonl"
FIELDS = ("time", "phase", "event", "step")


@dataclasses.dataclass(frozen=True)
class Share:
    """How the time of a run was spent.

    Attributes:
      stepping: seconds of steps that were kept.
      running: seconds in which a session ran, until its last line.
      elapsed: seconds since the first session began.
    """

    stepping: float
    running: float
    elapsed: float

    def scalars(self) -> dict[str, float]:
        """Returns the shares by name, in percent."""
        return {
            "goodput_%": 100 * self.stepping / max(self.elapsed, 1e-9),
            "goodput_running_%": 100 * self.stepping / max(self.running, 1e-9),
        }


class Goodput:
    """The account of one session."""

    def __init__(
        self,
        workdir: epath.PathLike,
        phase: str,
        start_step: int,
        *,
        enabled: bool = True,
        machine: Mapping[str, Any] = types.MappingProxyType({}),
    ) -> None:
        """Begins a session.

        Args:
          workdir: folder of the run.
          phase: what the session trains.
          start_step: steps done before it.
          enabled: whether to write at all; true on one host only.
          machine: what it runs on, noted with its start: `device`, the kind, and the number of `devices`.
        """
        self._file, self._phase, self._enabled = epath.Path(workdir) / GOODPUT_FILE, phase, enabled
        if enabled:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            drop_torn_line(self._file)
            self._write({"event": "start", "step": start_step} | dict(machine))

    def record(self, step: int, stepping: float) -> None:
        """Notes that the steps up to `step` took `stepping` seconds in this session."""
        if self._enabled:
            self._write({"event": "steps", "step": step, "stepping": stepping})

    def scalars(self) -> dict[str, float]:
        """Returns how the time of the run was spent until now, by name; nothing on other hosts."""
        return share(read_lines(self._file, FIELDS), time.time()).scalars() if self._enabled else {}

    def _write(self, entry: dict[str, Any]) -> None:
        append_line(self._file, {"time": time.time(), "phase": self._phase} | entry)


def share(entries: Sequence[dict[str, Any]], now: float) -> Share:
    """Returns how time was spent until `now` (seconds since 1970) by the lines of `goodput.jsonl`."""
    sessions: list[list[dict[str, Any]]] = []
    for entry in entries:
        if entry["event"] == "start":
            sessions.append([])
        sessions[-1].append(entry)
    stepping, running, restarts = 0.0, 0.0, dict[str, float]()
    for session in reversed(sessions):
        phase = session[0]["phase"]
        kept = restarts.get(phase, math.inf)
        stepping += max((entry["stepping"] for entry in session[1:] if entry["step"] <= kept), default=0.0)
        restarts[phase] = min(kept, session[0]["step"])
        # Clocks are set back and forth, but steps took the time they took.
        stepped = max((entry["stepping"] for entry in session[1:]), default=0.0)
        running += max(session[-1]["time"] - session[0]["time"], stepped)
    elapsed = now - sessions[0][0]["time"] if sessions else 0.0
    return Share(stepping, running, max(elapsed, running))

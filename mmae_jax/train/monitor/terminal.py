"""Lines for people: where a phase stands and its numbers, none longer than a terminal is wide."""

from __future__ import annotations

import time
from collections.abc import Mapping

WIDTH = 108
"""Characters of a message: with time, process and place in the program before it, 160 of a line."""
FIRST = ("loss", "learning_rate", "samples/s", "data_wait_%", "device_memory_GiB")
"""Numbers of a step that are shown before others; those that do not fit are in the files."""


class Remaining:
    """How long the rest of a phase takes, by the time since its first step of this session, which is compiled."""

    def __init__(self, total_steps: int | None) -> None:
        self._total, self._step = total_steps, 0
        self._first: tuple[int, float] | None = None

    def progress(self, step: int) -> None:
        """Notes that `step` steps are done."""
        self._step = step
        if self._first is None:
            self._first = step, time.monotonic()

    def __str__(self) -> str:
        """Returns ` eta=h:mm:ss`; nothing before the second step, or where the end is not known."""
        if self._total is None or self._first is None or self._step <= self._first[0]:
            return ""
        seconds = (time.monotonic() - self._first[1]) / (self._step - self._first[0])
        minutes, second = divmod(round(seconds * (self._total - self._step)), 60)
        return f" eta={minutes // 60}:{minutes % 60:02}:{second:02}"


def step_line(head: str, numbers: Mapping[str, float]) -> str:
    """Returns one line with as many numbers of a training step as fit, the most wanted first."""
    wanted = [name for name in FIRST if name in numbers]
    first, *rest = packed(head, {name: numbers[name] for name in (*wanted, *numbers)})
    return f"{first} …" if rest else first


def packed(head: str, numbers: Mapping[str, float]) -> list[str]:
    """Returns `head name=value …` in as many lines as it takes, each with the head."""
    lines = [head]
    for name, value in numbers.items():
        text = f" {name}={value:.4g}"
        if len(lines[-1]) + len(text) > WIDTH - 2 and lines[-1] != head:
            lines.append(head)
        lines[-1] += text
    return lines

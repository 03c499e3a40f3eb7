"""Runs cases, each in a process of its own with a time limit, and goes on where an earlier run stopped.

In the folder of a suite, `NAME.json` is the record of a case, `NAME.log` what it printed, and `NAME.failed` why it has
no record. What has a record is not measured again; what failed comes last.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from mmae_jax.bench import record
from mmae_jax.bench.suite.cases import Case

PROGRAM = (sys.executable, "-m", "mmae_jax", "bench")
LEAST_SECONDS = 20.0
"""No case is begun with less time left."""
GRACE = 5.0


@dataclasses.dataclass(frozen=True)
class Files:
    """The files of a case in the folder of a suite."""

    folder: Path
    case: Case

    @property
    def json(self) -> Path:
        """The record."""
        return self.folder / f"{self.case.name}.json"

    @property
    def log(self) -> Path:
        """What it printed."""
        return self.folder / f"{self.case.name}.log"

    @property
    def failed(self) -> Path:
        """Why there is no record."""
        return self.folder / f"{self.case.name}.failed"

    @property
    def done(self) -> bool:
        """Whether it was measured to its end; a sweep writes its record from the first trial on."""
        return self.json.exists() and record.read(self.json)["what"] != "sweep"


def run(cases: Sequence[Case], folder: Path, seconds: float) -> None:
    """Measures what has no record yet, until `seconds` are over.

    Args:
      cases: what to measure, the most important first.
      folder: folder for all results.
      seconds: time for all of them.
    """
    end = time.monotonic() + seconds
    folder.mkdir(parents=True, exist_ok=True)
    files = [Files(folder, case) for case in cases]
    waiting = [one for one in files if not one.done]
    for one in sorted(waiting, key=lambda one: one.failed.exists()):
        left = end - time.monotonic()
        if left < min(LEAST_SECONDS, one.case.seconds):
            print(f"time is over before {one.case.name}; the same command goes on", flush=True)
            return
        begin = time.monotonic()
        problem = _measure(one, min(left, one.case.seconds))
        outcome = "done" if problem is None else f"failed: {problem}"
        print(f"{one.case.name:<32}{time.monotonic() - begin:7.1f} s  {outcome}", flush=True)


@contextlib.contextmanager
def ends_on_sigterm() -> Iterator[None]:
    """SIGTERM, by which machines are taken back, ends what is measured and the suite, as Ctrl-C does."""

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _measure(files: Files, seconds: float) -> str | None:
    """Runs a case, and returns why it has no record; None where it has one."""
    command = [*PROGRAM, *files.case.arguments, f"--json={files.json}"]
    with files.log.open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            process.wait(seconds)
            problem = _last_line(files.log) if process.returncode else None
        except subprocess.TimeoutExpired:
            problem = f"not done after {seconds:.0f} s"
        finally:
            _end(process)
    if problem is None and not files.done:
        problem = "it wrote no record"
    if problem is None:
        files.failed.unlink(missing_ok=True)
    else:
        files.failed.write_text(f"{problem}\n", encoding="utf-8")
    return problem


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends a case that still runs, with what it started."""
    if process.poll() is not None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
            return


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "no message"

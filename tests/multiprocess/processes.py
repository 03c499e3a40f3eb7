"""Starts the processes of one run."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests import compilation

ROOT = Path(__file__).parents[2]
SECONDS = 300


def environment(devices: int = 1, **more: str) -> dict[str, str]:
    """Returns the environment of a process with so many virtual devices, outside of any cluster."""
    variables = compilation.environment(devices)
    return {name: value for name, value in variables.items() if not name.startswith(("SLURM_", "OMPI_"))} | more


def free_address() -> str:
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        return f"localhost:{listener.getsockname()[1]}"


def start(command: Sequence[str], variables: Mapping[str, str]) -> subprocess.Popen[str]:
    """Starts `python -m command …` in the project's folder."""
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-m", *command], cwd=ROOT, env=dict(variables), stdout=pipe, stderr=pipe, text=True
    )


def finish(processes: Sequence[subprocess.Popen[str]], seconds: float = SECONDS) -> list[tuple[int, str]]:
    """Returns exit code and standard error of each, once all have ended; kills what takes too long."""
    try:
        outputs = [process.communicate(timeout=seconds)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(process.returncode, errors) for process, errors in zip(processes, outputs, strict=True)]

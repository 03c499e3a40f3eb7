"""Processes of one run on this machine: started together, ended together, their lines told apart."""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import IO

from mmae_jax.exit_codes import DONE, USAGE
from mmae_jax.launch.child import PROGRAM, passing_on
from mmae_jax.spec import SpecError

POLL_SECONDS = 0.05
FAREWELL_SECONDS = 8.0
"""How long processes have to end by themselves, and say why, once one of them has failed."""
FINAL_CODES = (DONE, USAGE)
"""What another start would not change: done, a mistake in the command line."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What to start.

    Attributes:
      processes: number of processes.
      devices_per_process: GPUs of each, or virtual devices where there is only the CPU.
      arguments: arguments of `python -m mmae_jax train`.
    """

    processes: int
    devices_per_process: int
    arguments: Sequence[str]

    def command(self, index: int, port: int) -> list[str]:
        """Returns the command line of a process."""
        place = [f"--coordinator=localhost:{port}", f"--num_processes={self.processes}", f"--process_id={index}"]
        place = place if self.processes > 1 else []
        return [*PROGRAM, "train", *self.arguments, *place]

    def environment(self, index: int) -> dict[str, str]:
        """Returns the environment of a process, in which it sees its own devices only.

        Raises:
          SpecError: `CUDA_VISIBLE_DEVICES` names fewer than all processes need.
        """
        needed = self.processes * self.devices_per_process
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        devices = visible.split(",") if visible else [str(device) for device in range(needed)]
        if len(devices) < needed:
            raise SpecError(f"CUDA_VISIBLE_DEVICES: expected {needed} devices or more, found {visible}")
        own = devices[index * self.devices_per_process : (index + 1) * self.devices_per_process]
        virtual = f"--xla_force_host_platform_device_count={self.devices_per_process}"
        flags = f"{os.environ.get('XLA_FLAGS', '')} {virtual}".strip()
        return {**os.environ, "CUDA_VISIBLE_DEVICES": ",".join(own), "XLA_FLAGS": flags, "PYTHONUNBUFFERED": "1"}


class Group:
    """The running processes of a plan."""

    def __init__(self, plan: Plan) -> None:
        """Starts them.

        Raises:
          SpecError: there are too few devices.
        """
        port = _free_port()
        commands = [(plan.command(index, port), plan.environment(index)) for index in range(plan.processes)]
        self._processes = [_start(command, environment) for command, environment in commands]
        streams = [(index, each) for index, process in enumerate(self._processes) for each in _pipes(process)]
        self._printers = [threading.Thread(target=_print_lines, args=stream, daemon=True) for stream in streams]
        for printer in self._printers:
            printer.start()

    def signal(self, number: int) -> None:
        """Passes a signal on to all that still run."""
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(number)

    def wait(self) -> int:
        """Returns the exit code once all have ended: that of the first that failed, 0 where none did.

        Once one has failed, the others have some seconds to end; then they are killed.
        """
        code, deadline = 0, float("inf")
        while None in (codes := [process.poll() for process in self._processes]):
            time.sleep(POLL_SECONDS)
            if not code and any(codes):
                code, deadline = next(filter(None, codes)), time.monotonic() + FAREWELL_SECONDS
                print(f"process {codes.index(code)} of {len(codes)} ended with {code}", file=sys.stderr, flush=True)
            if time.monotonic() > deadline:
                self.signal(signal.SIGKILL)
        for printer in self._printers:
            printer.join()
        code = code or next(filter(None, codes), 0)
        return 128 - code if code < 0 else code


def run(plan: Plan, restarts: int = 0) -> int:
    """Runs a plan, passing SIGTERM and SIGINT on to its processes; returns the exit code of the last `Group.wait`.

    Args:
      plan: what to start.
      restarts: how often to start again after a crash or a preemption of a process; never after a signal to this one.
    """
    group: Group | None = None

    def pass_on(number: int) -> None:
        if group is not None:
            group.signal(number)

    with passing_on(pass_on) as told:
        group = Group(plan)
        code = group.wait()
        for attempt in range(restarts):
            if told or code in FINAL_CODES:
                break
            print(f"exit code {code}: restart {attempt + 1} of {restarts}", file=sys.stderr, flush=True)
            group = Group(plan)
            code = group.wait()
        return code


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        return int(listener.getsockname()[1])


def _start(command: list[str], environment: dict[str, str]) -> subprocess.Popen[str]:
    # In a session of its own, a process gets Ctrl-C from `pass_on`, once, and not from the terminal, too.
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )


def _pipes(process: subprocess.Popen[str]) -> list[tuple[IO[str], IO[str]]]:
    assert process.stdout is not None
    assert process.stderr is not None
    return [(process.stdout, sys.stdout), (process.stderr, sys.stderr)]


def _print_lines(index: int, streams: tuple[IO[str], IO[str]]) -> None:
    source, target = streams
    for line in source:
        target.write(f"[{index}] {line}")
        target.flush()

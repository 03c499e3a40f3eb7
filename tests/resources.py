"""What processes hold (open descriptors, threads, resident memory), and that they end."""

import os
import threading
import time

import psutil

VARIATION = 12
"""Descriptors and threads by which a process may hold more at one moment than at another."""
MEMORY = 40e6
"""Bytes, likewise."""


def held() -> tuple[int, int, int]:
    """Returns the open descriptors, threads and resident bytes of this process."""
    return len(os.listdir("/proc/self/fd")), threading.active_count(), psutil.Process().memory_info().rss


def assert_no_more_than(before: tuple[int, int, int], after: tuple[int, int, int]) -> None:
    """Asserts that a process held what it held before, but for what varies."""
    descriptors, threads, memory = after
    assert descriptors <= before[0] + VARIATION
    assert threads <= before[1] + VARIATION
    assert memory < before[2] + MEMORY


def await_end(process, seconds, send=os.kill):
    """Waits until `send` finds no such process, or no such group by `os.killpg`; fails after some seconds."""
    deadline = time.monotonic() + seconds
    while _exists(process, send):
        assert time.monotonic() < deadline, f"{process} is left"
        time.sleep(0.1)


def _exists(process, send):
    try:
        send(process, 0)
    except ProcessLookupError:
        return False
    return True

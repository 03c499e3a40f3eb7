"""One run at a time in a workdir: a second one is refused before it writes anything."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import os
import socket
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import jax
from absl import logging
from etils import epath

from mmae_jax.exit_codes import FAILED
from mmae_jax.spec import SpecError

LOCK_FILE = "in_use.json"
BEAT_SECONDS = 5.0
"""Between signs of life where the filesystem has no locks."""
STALE_BEATS = 4
"""After so many without one, a run is taken to be gone."""
SETTLE_SECONDS = 1.0


class InUseError(SpecError):
    """Another run trains in the workdir."""


@contextlib.contextmanager
def exclusive(workdir: epath.Path) -> Iterator[None]:
    """Makes sure that no other run writes to `workdir` while this is entered; of a run, the first process does so.

    Where the filesystem has locks, the kernel's ends with the process, however that ends. Elsewhere, in object stores
    and on some network filesystems, a file in the workdir is written anew every few seconds; one that stands still was
    left by a run that was killed, and is taken over.

    Raises:
      InUseError: there is another one.
    """
    if jax.process_index() != 0:
        yield
        return
    workdir.mkdir(parents=True, exist_ok=True)
    file = workdir / LOCK_FILE
    held = _held_by_kernel(Path(file)) if "://" not in str(workdir) else None
    if held is None:
        with _held_by_signs_of_life(file):
            yield
        return
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)
        os.close(held)


def _held_by_kernel(file: Path) -> int | None:
    """Returns the descriptor that holds the lock, None where the filesystem has no locks."""
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)  # network filesystems lock only what can be written
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise _in_use(file, file.read_text(encoding="utf-8")) from None
        except OSError:
            os.close(descriptor)
            return None
        if file.exists() and os.path.samestat(os.fstat(descriptor), file.stat()):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, _sign(uuid.uuid4().hex, 0).encode())
            return descriptor
        os.close(descriptor)  # another run has ended since, and deleted the file


@contextlib.contextmanager
def _held_by_signs_of_life(file: epath.Path) -> Iterator[None]:
    found = _read(file)
    if found is not None:
        for _ in range(STALE_BEATS):
            time.sleep(BEAT_SECONDS)
            if _read(file) not in (None, found):
                raise _in_use(file, found)
        if _read(file) is not None:
            logging.warning("%s: left by a run that shows no sign of life any more; taken over", file)
    own, done = uuid.uuid4().hex, threading.Event()
    file.write_text(_sign(own, 0), encoding="utf-8")
    time.sleep(SETTLE_SECONDS)  # of two that begin at once, the one that wrote last goes on
    if own not in (sign := _read(file) or ""):
        raise _in_use(file, sign)
    thread = threading.Thread(target=_show_life, args=(file, own, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        with contextlib.suppress(Exception):
            file.unlink(missing_ok=True)


def _show_life(file: epath.Path, own: str, done: threading.Event) -> None:
    beat = 0
    while not done.wait(BEAT_SECONDS):
        beat += 1
        with contextlib.suppress(Exception):  # whatever a store raises: the next time, it may answer
            sign = _read(file)
            if sign is not None and own not in sign:
                # This process stood still for so long that another run took its place.
                print(f"error: {_in_use(file, sign)}", file=sys.stderr, flush=True)
                os._exit(FAILED)
            file.write_text(_sign(own, beat), encoding="utf-8")


def _read(file: epath.Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.exists() else None


def _sign(own: str, beat: int) -> str:
    since = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M:%S} UTC"
    return json.dumps({"host": socket.gethostname(), "process": os.getpid(), "time": since, "run": own, "beat": beat})


def _in_use(file: epath.Path | Path, sign: str) -> InUseError:
    try:
        said = json.loads(sign)
        who = f"process {said['process']} on {said['host']}, {said['time']}"
    except (ValueError, KeyError, TypeError):  # it is being written
        who = "another process"
    return InUseError(
        f"{file.parent} is in use by another run ({who}): wait for it, or choose another; "
        f"if that process is gone, delete {file.name} there"
    )

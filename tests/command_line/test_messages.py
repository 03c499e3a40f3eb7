"""One line means one line: what libraries have to say is cut, their threads' tracebacks are left out."""

import logging
import sys
import threading
import types

import pytest

from mmae_jax.command_line import messages


def record(path, level, text, *arguments, error=None):
    exc_info = (type(error), error, None) if error else None
    return logging.LogRecord("absl", level, path, 1, text, arguments, exc_info)


OURS = f"{messages.PACKAGE}/train/loop.py"


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (record(OURS, logging.INFO, "two\nlines"), "two\nlines"),
        (record("/library/future.py", logging.WARNING, "first %d\nsecond", 1), "first 1"),
        (record("/library/future.py", logging.INFO, "detail"), None),
        (record("/library/future.py", logging.ERROR, "failed", error=OSError(28, "full")), None),
    ],
)
def test_libraries_say_one_line_and_no_traceback(found, shown):
    assert messages._is_shown(found) == (shown is not None)
    assert shown is None or found.getMessage() == shown


def test_thread_of_a_library_that_finds_no_room_is_told_in_one_line(caplog, monkeypatch):
    rest = []
    monkeypatch.setattr(threading, "__excepthook__", rest.append)
    full, bug = OSError(28, "No space left on device"), KeyError("x")
    for error in (full, bug):
        failed = types.SimpleNamespace(exc_type=type(error), exc_value=error, thread=threading.current_thread())
        messages._tell_of_thread(failed)
    assert [one.getMessage() for one in caplog.records] == ["MainThread: OSError: [Errno 28] No space left on device"]
    assert [failed.exc_value for failed in rest] == [bug], "a mistake of the program keeps its traceback"


def test_what_a_failed_load_leaves_behind_is_left_out(caplog, monkeypatch):
    rest = []
    monkeypatch.setattr(sys, "__unraisablehook__", rest.append)
    for error in (RuntimeError("Event loop is closed"), ValueError("another")):
        messages._tell_of_unraisable(types.SimpleNamespace(exc_value=error))
    assert [str(failed.exc_value) for failed in rest] == ["another"]
    messages._tell_of_warning(RuntimeWarning("coroutine 'f' was never awaited"), RuntimeWarning, "file", 1)
    messages._tell_of_warning(UserWarning("one\ntwo"), UserWarning, "file", 1)
    assert [one.getMessage() for one in caplog.records] == ["UserWarning: one"]

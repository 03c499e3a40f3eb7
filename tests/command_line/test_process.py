"""Closed streams, readers that went away, encodings without our characters, few open files: none ends a command."""

import subprocess
import sys

import pytest

from tests.places import ROOT

WRITES = r"""
from mmae_jax.command_line.process import put_right
put_right()
import os, resource, sys
opened = os.open(os.devnull, os.O_RDONLY)
for stream in (sys.stdout, sys.stderr):
    for _ in range(20000):
        print("\u00d7 and \u2026", file=stream)
    stream.flush()
os.write(3, f"{opened > 2} {resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 20}".encode())
"""


@pytest.mark.parametrize(
    ("streams", "locale"),
    [
        ("2>&- >/dev/null", "C.UTF-8"),
        ("<&- >&- 2>&-", "C.UTF-8"),
        (">/dev/null 2>/dev/full", "C.UTF-8"),
        ("2>/dev/null | true", "C.UTF-8"),
        ("2>&1 >/dev/null | true", "POSIX"),
        ("</dev/null >/dev/null 2>&1", "tr_TR.ISO-8859-9"),
    ],
)
def test_command_goes_on_whatever_becomes_of_its_streams(streams, locale, tmp_path):
    said = tmp_path / "said"
    script = f'ulimit -Sn 20; exec 3>{said}; "$0" -c "$1" {streams}'
    environment = {"LC_ALL": locale, "PYTHONPATH": str(ROOT), "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    subprocess.run(["bash", "-c", script, sys.executable, WRITES], env=environment, check=True)
    assert said.read_text() == "True True"


def test_what_an_encoding_lacks_is_written_as_escapes():
    environment = {"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", WRITES.replace("20000", "1")]
    found = subprocess.run(command, env=environment, check=False, capture_output=True)
    assert found.stdout.decode("ascii") == "\\xd7 and \\u2026\n"


def test_results_that_find_no_room_are_an_error():
    script = '"$0" -c "$1" >/dev/full'
    found = subprocess.run(["bash", "-c", script, sys.executable, WRITES], cwd=ROOT, check=False, capture_output=True)
    assert found.returncode
    assert b"No space left" in found.stderr

"""Processes of a run end together, each with the message of the one that failed."""

import itertools
import signal
import socket
import time

import pytest

from tests import runs
from tests.multiprocess import processes

HOST = socket.gethostname()


def start(tmp_path, how, number=2, who=1, *flags):
    variables = processes.environment(FAILING=how, WHO=str(who))
    address = processes.free_address()
    each = [f"--config={runs.CONFIG}", f"--workdir={tmp_path}", f"--coordinator={address}", f"--num_processes={number}"]
    command = ["tests.multiprocess.failing", *each, *flags]
    return [
        processes.start([*command[:1], f"--process_id={index}", *command[1:]], variables) for index in range(number)
    ]


def errors(text):
    return [line for line in text.splitlines() if line.startswith("error: ")]


ABSENT = ((0, "not all processes of the run have come to"), (1, "no connection to the coordinator at"))
LOST = "--lost_after_seconds=10"


@pytest.fixture(scope="module")
def waiting(tmp_path_factory):
    """Processes that wait some seconds for others that are not there, by what is tested; other tests run meanwhile."""
    folder = tmp_path_factory.mktemp("waiting")
    begun = {
        index: start(
            folder / str(index), "slow", 1, 1, "--start_seconds=5", "--num_processes=2", f"--process_id={index}"
        )
        for index, _ in ABSENT
    } | {"kill": start(folder / "kill", "kill", 2, 1, LOST)}
    yield begun
    for process in itertools.chain.from_iterable(begun.values()):
        process.kill()
        process.communicate()


@pytest.mark.usefixtures("waiting")
def test_processes_that_do_not_fail_end_quietly(tmp_path):
    for code, text in processes.finish(start(tmp_path, "slow")):
        assert (code, errors(text)) == (0, [])
        assert "Traceback" not in text
        assert "E1" not in text, "nothing in the log of XLA"


@pytest.mark.parametrize(
    ("who", "how", "message"), [(1, "refuse", "s2.tif: expected 10 bands, found 9"), (0, "bug", "KeyError: 's3'")]
)
def test_a_failure_ends_all_with_its_message(tmp_path, how, message, who):
    begin = time.monotonic()
    ends = processes.finish(start(tmp_path, how, 2, who))
    assert time.monotonic() - begin < processes.SECONDS / 2
    for index, (code, text) in enumerate(ends):
        where = "" if index == who else f"process {who} of 2 ({HOST}): "
        assert code == 1, text
        assert errors(text) == [f"error: {where}{message}"]
        assert ("Traceback" in text) == (how == "bug" and index == who)


def test_a_mistake_that_all_see_is_printed_once_by_each(tmp_path):
    for code, text in processes.finish(start(tmp_path, "all refuse")):
        assert code == 1, text
        assert len(errors(text)) == 1
        assert errors(text)[0].endswith("data.dir: nowhere is not a folder")


def test_the_death_of_the_first_process_ends_the_others(tmp_path):
    """JAX ends them before they can say anything themselves."""
    started = start(tmp_path, "kill", 2, 0)
    begin = time.monotonic()
    [(code, text)] = processes.finish([started[1]])
    assert time.monotonic() - begin < processes.SECONDS / 2
    started[0].communicate()
    assert (code == -signal.SIGABRT and "the leader task was" in text) or (code == 1 and "process 0 of 2" in text), text


@pytest.mark.parametrize(("index", "message"), ABSENT)
def test_absent_processes_are_named(waiting, index, message):
    [(code, text)] = processes.finish(waiting[index])
    assert code == 1, text
    assert errors(text)[0].startswith(f"error: {message} localhost:")
    assert "within 5 s" in errors(text)[0]


@pytest.mark.parametrize(
    ("who", "how"),
    [
        (1, "kill"),
        pytest.param(0, "freeze", marks=pytest.mark.slow),
        pytest.param(1, "freeze", marks=pytest.mark.slow),
    ],
)
def test_a_process_that_is_gone_is_named(waiting, tmp_path, who, how):
    started = waiting.get(how) or start(tmp_path, how, 2, who, LOST)
    [(code, text)] = processes.finish([started[1 - who]])
    started[who].kill()
    started[who].communicate()
    assert code == 1, text
    assert len(errors(text)) == 1, text
    assert errors(text)[0].startswith(f"error: process {who} of 2 (")
    assert "it is gone" in errors(text)[0]

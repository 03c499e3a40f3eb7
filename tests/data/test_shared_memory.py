"""Shared memory that is too small for the readers is said before the first step, and when one of them died of it."""

import errno

import pytest

from mmae_jax.data import shared_memory
from mmae_jax.data.pipeline import Batches
from mmae_jax.data.records import DataError
from mmae_jax.data.shared_memory import check_shared_memory
from mmae_jax.spec import SpecError
from tests import runs

PAGE = 4096


@pytest.mark.parametrize(("workers", "prefetch", "batches"), [(2, 2, 6), (2, 8, 12), (1, 2, 4), (4, 1, 12)])
def test_size_and_need_are_told(monkeypatch, workers, prefetch, batches):
    experiment = runs.tiny("nowhere", ("s1_asc",), data__workers=workers, data__prefetch=prefetch)
    monkeypatch.setattr(shared_memory, "_batch_bytes", lambda *_: 3 * 2**20)
    monkeypatch.setattr(shared_memory, "_free", lambda: batches * 3 * 2**20)
    check_shared_memory(experiment, "pretrain", 4)
    monkeypatch.setattr(shared_memory, "_free", lambda: batches * 3 * 2**20 - 2**19)
    with pytest.raises(SpecError) as error:
        check_shared_memory(experiment, "pretrain", 4)
    assert str(error.value) == (
        f"data.workers: {workers} readers of pretrain.batch_size 4 need {batches * 3:.1f} MiB of shared memory, "
        f"/dev/shm has {batches * 3 - 0.5:.1f} MiB free: enlarge it (docker --shm-size=8g, Kubernetes: emptyDir of "
        "medium Memory), or set data.workers=0"
    )


def test_arrays_take_whole_pages():
    experiment = runs.tiny("nowhere", ("s1_asc",))
    # s1_asc: 4 × 2 dates × 2 bands × 6 × 6 float32, what is valid, dates; reference date, target, weight
    assert shared_memory._batch_bytes(experiment, 4) == 6 * PAGE
    assert shared_memory._batch_bytes(experiment, 400) > 50 * PAGE


def test_threads_need_none(monkeypatch):
    monkeypatch.setattr(shared_memory, "_free", lambda: 0)
    check_shared_memory(runs.tiny("nowhere", data__workers=0), "pretrain", 4)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            RuntimeError("Worker process was terminated unexpectedly with exit code -7"),
            "a reader process died (SIGBUS); shared memory is where",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), "a reader process found no room for a batch; sha"),
    ],
)
def test_reader_that_died_is_named(error, message):
    def dying():
        yield from ()
        raise error

    with pytest.raises(DataError) as found:
        next(Batches(dying()))
    assert message in str(found.value)
    assert "/dev/shm has " in str(found.value)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (-9, r"died \(SIGKILL\), most likely as memory was used up"),
        (-15, r"died \(SIGTERM\)$"),
        (3, r"died \(exit code 3\)$"),
    ],
)
def test_reader_that_died_of_something_else_is_not_said_to_lack_shared_memory(code, message):
    def dying():
        yield from ()
        raise RuntimeError(f"Worker process was terminated unexpectedly with exit code {code}")

    with pytest.raises(DataError, match=rf"^data\.workers: a reader process {message}"):
        next(Batches(dying()))


@pytest.mark.parametrize("error", [RuntimeError("another"), OSError(errno.ENOSPC, "full", "file")])
def test_other_errors_of_readers_stay(error):
    def failing():
        yield from ()
        raise error

    with pytest.raises(type(error), match=r"another|full"):
        next(Batches(failing()))

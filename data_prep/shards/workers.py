"""Runs shard tasks, here, in local worker processes or as a Beam pipeline, behind one progress bar."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from tqdm import tqdm

from data_prep.errors import DataPrepError
from data_prep.shards.beam import in_pipeline
from data_prep.shards.task import ShardReport, ShardTask, finished, write_shard

Finished = Iterator[tuple[int, ShardReport]]

POLL_SECONDS = 0.5


def run_tasks(tasks: Sequence[ShardTask], processes: int, beam_options: str | None = None) -> list[ShardReport]:
    """Returns the report of each task, after running those whose shard is not there yet.

    Args:
      tasks: what to run.
      processes: worker processes; 1 works in the calling process.
      beam_options: if not None, run a Beam pipeline with these options instead; see `beam`.

    Raises:
      DataPrepError: a task failed, or a worker process died.
    """
    reports = {index: report for index, task in enumerate(tasks) if (report := finished(task)) is not None}
    if reports:
        print(f"continuing: {len(reports)} of {len(tasks)} shards were finished before", file=sys.stderr)
    left = [index for index in range(len(tasks)) if index not in reports]
    with tqdm(total=sum(len(task.tiles) for task in tasks), unit="tile", smoothing=0.05) as bar:
        bar.update(sum(len(tasks[index].tiles) for index in reports))
        for index, report in _run(tasks, left, bar, processes, beam_options):
            for message in report.skipped:
                bar.write(f"skipped {message}", file=sys.stderr)
            reports[index] = report
    return [reports[index] for index in range(len(tasks))]


def _run(
    tasks: Sequence[ShardTask], left: Sequence[int], bar: tqdm[Any], processes: int, beam_options: str | None
) -> Finished:
    if beam_options is not None:
        return in_pipeline(tasks, left, bar, beam_options)
    return _in_processes(tasks, left, bar, processes) if processes > 1 else _here(tasks, left, bar)


def _here(tasks: Sequence[ShardTask], left: Sequence[int], bar: tqdm[Any]) -> Finished:
    for index in left:
        yield index, write_shard(tasks[index], bar.update)


class _StoppedError(Exception):
    """Another worker failed, or the user interrupted the run."""


def _in_processes(tasks: Sequence[ShardTask], left: Sequence[int], bar: tqdm[Any], processes: int) -> Finished:
    context = multiprocessing.get_context("spawn")  # forking a process with threads can deadlock
    counter, stop = context.Value("q", 0), context.Event()
    start = bar.n
    executor = concurrent.futures.ProcessPoolExecutor(processes, context, _start_worker, (counter, stop))
    try:
        pending = {executor.submit(_run_counted, tasks[index]): index for index in left}
        while pending:
            done, _ = concurrent.futures.wait(pending, POLL_SECONDS, concurrent.futures.FIRST_COMPLETED)
            bar.update(start + counter.value - bar.n)
            for future in done:
                yield pending.pop(future), future.result()
    except BrokenProcessPool as error:
        raise DataPrepError(
            "a worker process ended unexpectedly, perhaps for want of memory; the same command continues, with fewer "
            "--processes if need be"
        ) from error
    finally:
        stop.set()
        executor.shutdown(cancel_futures=True)


_shared: Any = None
"""Number of tiles done by all workers, and whether to stop: can only be handed to a worker process when it starts."""


def _start_worker(counter: Any, stop: Any) -> None:
    global _shared
    _shared = counter, stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the calling process tells when to stop


def _count_tile() -> None:
    counter, stop = _shared
    with counter.get_lock():
        counter.value += 1
    if stop.is_set():
        raise _StoppedError


def _run_counted(task: ShardTask) -> ShardReport:
    return write_shard(task, _count_tile)

"""Runs shard tasks on Apache Beam: in local processes or on a cluster, with the same result and the same resumption.

The options are those of Beam's runners, in one string (extra `beam`):

    --runner=DirectRunner --direct_num_workers=8 --direct_running_mode=multi_processing
    --runner=apache_beam.runners.dask.dask_runner.DaskRunner --dask_client_address=tcp://scheduler:8786
    --runner=FlinkRunner --flink_master=flink:8081 --parallelism=64 --environment_type=DOCKER --environment_config=IMAGE
    --runner=DataflowRunner --project=PROJECT --region=REGION --temp_location=gs://BUCKET/tmp
      --sdk_container_image=IMAGE --sdk_location=container

Workers open the raw files and write the shards under the paths given to the command: in an object store or on a shared
filesystem, of which the command's machine must see the output. They need this package installed: on Flink and Dataflow
in IMAGE, a Beam SDK image.
"""

from __future__ import annotations

import contextlib
import functools
import shlex
import threading
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from data_prep.errors import DataPrepError
from data_prep.shards.storage import file_names
from data_prep.shards.task import ShardReport, ShardTask, finished, write_shard

POLL_SECONDS = 2.0


def in_pipeline(
    tasks: Sequence[ShardTask], left: Sequence[int], bar: tqdm[Any], options: str
) -> Iterator[tuple[int, ShardReport]]:
    """Runs some tasks as one pipeline, then yields their positions and reports.

    Args:
      tasks: all tasks.
      left: positions of those to run.
      bar: advances by the tiles of each shard that appears.
      options: Beam's options, as on a command line.

    Raises:
      DataPrepError: Beam is not installed, refuses the options, or a task failed.
    """
    chosen = [tasks[index] for index in left]
    if chosen:
        with _showing_progress(chosen, bar):
            _run(chosen, options)
    for index in left:
        report = finished(tasks[index])
        if report is None:
            path = tasks[index].data_path
            raise DataPrepError(f"{path}: not found, though a worker wrote it; expected a path that all machines share")
        yield index, report


def _run(tasks: Sequence[ShardTask], options: str) -> None:
    try:
        import apache_beam
        from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError as error:
        raise DataPrepError(f"--beam_options: needs the extra beam: pip install 'mmae_jax[beam]' ({error})") from error
    run_id = uuid.uuid4().hex
    result = None
    try:
        pipeline = apache_beam.Pipeline(options=PipelineOptions(_one_task_a_partition(shlex.split(options))))
        shards = pipeline | apache_beam.Create(list(tasks), reshuffle=False) | apache_beam.Reshuffle()
        shards | "write_shard" >> apache_beam.Map(functools.partial(_write, run_id))
        result = pipeline.run()
        result.wait_until_finish()
    except KeyboardInterrupt:
        if result is not None:
            result.cancel()
        raise
    except Exception as error:  # Beam raises what the runner does: a task's error, its text, or one of its own
        reasons = [path.read_text() for task in tasks if (path := _error_path(task, run_id)).exists()]
        lines = str(error).strip().splitlines() or [repr(error)]
        raise DataPrepError("\n".join(reasons) or f"--beam_options: the pipeline failed ({lines[-1]})") from error


def _one_task_a_partition(flags: list[str]) -> list[str]:
    """Beam's Dask runner otherwise hands up to 128 shards to one worker."""
    on_dask = any(flag.startswith("--runner=") and flag.endswith("DaskRunner") for flag in flags)
    chosen = any(flag.startswith(("--dask_npartitions", "--dask_partition_size")) for flag in flags)
    return [*flags, "--dask_partition_size=1"] if on_dask and not chosen else flags


def _write(run_id: str, task: ShardTask) -> None:
    """Runs on a worker; its error, of which runners report a traceback at best, is also left where shards are."""
    if finished(task) is not None:  # by an attempt whose other tasks failed
        return
    try:
        write_shard(task, _no_progress)
    except (DataPrepError, OSError) as error:
        with contextlib.suppress(OSError):
            task.output.write_text(_error_path(task, run_id), str(error))
        raise DataPrepError(str(error)) from None  # not every library's errors can be pickled


def _no_progress() -> None:
    pass


def _error_path(task: ShardTask, run_id: str) -> Path:
    return task.report_path.with_suffix(f".{run_id}.error")


@contextlib.contextmanager
def _showing_progress(tasks: Sequence[ShardTask], bar: tqdm[Any]) -> Iterator[None]:
    """Workers may be on other machines: their progress is the shards that have appeared."""
    start, done = bar.n, threading.Event()
    tiles = {task.file_name: len(task.tiles) for task in tasks}

    def show() -> None:
        waiting = True
        while waiting:
            waiting = not done.wait(POLL_SECONDS)
            with contextlib.suppress(OSError):
                present = file_names(tasks[0].output.data)
                bar.update(start + sum(number for name, number in tiles.items() if name in present) - bar.n)

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()

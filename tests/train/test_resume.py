"""An interrupted run ends as an undisturbed one: the same lines, results and parameters, bit by bit."""

import json
import os
import random
import re
import signal
import time

import jax
import pytest

from mmae_jax.launch.signals import Preempted
from mmae_jax.train import phase as phase_module
from tests import runs
from tests.train import first_device

PHASES = ("pretrain", "probe", "finetune")


def assert_same_runs(experiment, found, expected, phases=PHASES):
    logged = (expected / "metrics.jsonl").read_text().splitlines()
    logged = [line for line in logged if json.loads(line)["phase"] in phases]
    assert (found / "metrics.jsonl").read_text().splitlines() == logged
    for phase in phases:
        results = [(workdir / phase / "result.json").read_text() for workdir in (found, expected)]
        assert results[0] == results[1]
        runs.assert_same(*(runs.state_of(experiment, workdir, phase) for workdir in (found, expected)))
        steps = [{path.name for path in (run / phase / "checkpoints").iterdir()} for run in (found, expected)]
        assert steps[0] == steps[1]


def test_run_logs_every_step_once(finished_run):
    entries = [json.loads(line) for line in (finished_run / "metrics.jsonl").read_text().splitlines()]
    for phase in PHASES:
        found = [(entry["split"], entry["step"]) for entry in entries if entry["phase"] == phase]
        train = [("train", step) for step in range(1, 7)]
        assert found == [*train[:3], ("val", 3), *train[3:], ("val", 6), ("test", 6)]


def test_interruptions_change_nothing(tiny_experiment, finished_run, compilations, tmp_path, monkeypatch):
    calls, step = [], phase_module.train_step

    def interrupted(program, state, batch):
        call = (program.phase, int(state.step) + 1)
        calls.append(call)
        if call in stopped:
            stopped.remove(call)
            raise KeyboardInterrupt
        if call in told:
            told.remove(call)
            os.kill(os.getpid(), signal.SIGTERM)
        return step(program, state, batch)

    monkeypatch.setattr(phase_module, "train_step", interrupted)
    # In pretraining before and after checkpoints (of steps 2, 3, 4 and 6), at the first step of probing, in finetuning;
    # without a word, or by a signal, after which a checkpoint is saved.
    stopped = [("pretrain", 2), ("pretrain", 6), ("probe", 1), ("finetune", 5)]
    told = [("pretrain", 2), ("pretrain", 6), ("probe", 2), ("finetune", 3), ("finetune", 6)]
    jax.clear_caches()  # the same need not have been compiled by this process
    ends: list[BaseException] = []
    with runs.Compilations() as compiled:
        while not (tmp_path / "finetune" / "result.json").exists():
            try:
                runs.run(tiny_experiment, tmp_path)
            except (Preempted, KeyboardInterrupt) as end:
                ends.append(end)
    assert not stopped
    assert not told
    messages = [str(end) for end in ends if isinstance(end, Preempted)]
    assert (len(messages), len(ends)) == (5, 9)
    for phase, message in zip(["pretrain", "pretrain", "probe", "finetune", "finetune"], messages, strict=True):
        assert re.match(rf"{phase}, step .*: told to end; saved {tmp_path}/{phase}/checkpoints/", message)
    first, repeated = ("pretrain", 1), ("pretrain", 5)
    assert calls.count(first) == 2
    assert calls.count(repeated) == 2
    assert_same_runs(tiny_experiment, tmp_path, finished_run)
    for step in ("train_step", "evaluate_step", "update_ema"):
        assert compiled[step] == compilations[step], "restored states need no other programs"


def wait_for(process, condition):
    """Returns when `condition` holds or the process has ended."""
    while process.poll() is None and not condition():
        time.sleep(0.005)


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()


def errors(workdir):
    """Where processes say what goes on; in a pipe they would wait for a reader."""
    return workdir.with_suffix(".stderr")


def started(workdir, *arguments):
    """Starts a process that finds what was compiled for `finished_run`."""
    with errors(workdir).open("w") as file:
        options = {"module": first_device.__name__, "env": os.environ, "stderr": file}
        return runs.training_process(workdir, *arguments, **options)


def finish(process, workdir):
    assert process.wait() == 0, errors(workdir).read_text()[-3000:]


def test_killed_runs_end_as_an_undisturbed_one(tiny_experiment, finished_run, tmp_path):
    workdir, phases = tmp_path / "run", PHASES[:2]
    arguments = [f"--config.data.dir={tiny_experiment.data.dir}", f"--config.phases={phases}"]

    def start():
        return started(workdir, *arguments)

    def writing_a_checkpoint():
        return any((workdir / "pretrain" / "checkpoints").glob("3*tmp*"))

    def between_phases():
        return (workdir / "pretrain" / "result.json").exists()

    for moment in (writing_a_checkpoint, between_phases):
        process = start()
        wait_for(process, moment)
        assert process.poll() is None, errors(workdir).read_text()[-3000:]
        kill(process)
    finish(start(), workdir)
    assert_same_runs(tiny_experiment, workdir, finished_run, phases)


@pytest.mark.slow
def test_runs_killed_at_random_end_as_an_undisturbed_one(tiny_experiment, finished_run, tmp_path):
    draw, kills = random.Random(0), 0
    # The first kills come while compiling; then programs are in the cache and more happens in the same time.
    for attempt in range(3):
        workdir = tmp_path / f"run{attempt}"
        arguments = [f"--config.data.dir={tiny_experiment.data.dir}", f"--config.data.workers={attempt % 2}"]
        for _ in range(60):
            process = started(workdir, *arguments)
            deadline = time.monotonic() + draw.uniform(4, 25)
            wait_for(process, lambda deadline=deadline: time.monotonic() > deadline)
            if process.poll() is not None:
                finish(process, workdir)
                break
            kill(process)
            kills += 1
        assert_same_runs(tiny_experiment, workdir, finished_run)
    print(f"{kills} kills")
    assert kills > 5

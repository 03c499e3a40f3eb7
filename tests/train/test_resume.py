"""An interrupted run ends as an undisturbed one: the same lines, results and parameters, bit by bit."""

import json
import random
import signal
import time

import jax
import pytest

from mmae_jax.train import phase as phase_module
from tests import runs

PHASES = ("pretrain", "probe", "finetune")


def assert_same_runs(experiment, found, expected):
    assert (found / "metrics.jsonl").read_text() == (expected / "metrics.jsonl").read_text()
    for phase in PHASES:
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
        calls.append((program.phase, int(state.step) + 1))
        if len(calls) in stops:
            raise KeyboardInterrupt
        return step(program, state, batch)

    monkeypatch.setattr(phase_module, "train_step", interrupted)
    # In pretraining before and after checkpoints (of steps 2, 3, 4 and 6), at the first step of probing, in finetuning.
    stops = [2, 6, 9, 15]
    jax.clear_caches()  # the same need not have been compiled by this process
    with runs.Compilations() as compiled:
        for _ in stops:
            with pytest.raises(KeyboardInterrupt):
                runs.run(tiny_experiment, tmp_path)
        runs.run(tiny_experiment, tmp_path)
    first, repeated = ("pretrain", 1), ("pretrain", 4)
    assert calls.count(first) == 2
    assert calls.count(repeated) == 2
    assert_same_runs(tiny_experiment, tmp_path, finished_run)
    for step in ("train_step", "evaluate_step", "update_ema"):
        assert compiled[step] == compilations[step], "restored states need no other programs"


def wait_for(process, condition):
    """Returns when `condition` holds or the process has ended."""
    while process.poll() is None and not condition():
        time.sleep(0.001)


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()


def finish(process):
    _, errors = process.communicate()
    assert process.returncode == 0, errors[-3000:]


def test_killed_runs_end_as_an_undisturbed_one(tiny_experiment, finished_run, tmp_path):
    workdir, arguments = tmp_path / "run", [f"--config.data.dir={tiny_experiment.data.dir}"]

    def start():
        return runs.training_process(workdir, *arguments)

    def writing_a_checkpoint():
        return any((workdir / "pretrain" / "checkpoints").glob("3*tmp*"))

    def between_phases():
        return (workdir / "pretrain" / "result.json").exists()

    for moment in (writing_a_checkpoint, between_phases):
        process = start()
        wait_for(process, moment)
        assert process.poll() is None, process.stderr.read()[-3000:]
        kill(process)
    finish(start())
    assert_same_runs(tiny_experiment, workdir, finished_run)


@pytest.mark.slow
def test_runs_killed_at_random_end_as_an_undisturbed_one(tiny_experiment, finished_run, tmp_path):
    draw, kills = random.Random(0), 0
    # The first kills come while compiling; then programs are in the cache and more happens in the same time.
    for attempt in range(3):
        workdir = tmp_path / f"run{attempt}"
        arguments = [f"--config.data.dir={tiny_experiment.data.dir}", f"--config.data.workers={attempt % 2}"]
        for _ in range(60):
            process = runs.training_process(workdir, *arguments)
            deadline = time.monotonic() + draw.uniform(4, 25)
            wait_for(process, lambda deadline=deadline: time.monotonic() > deadline)
            if process.poll() is not None:
                finish(process)
                break
            kill(process)
            kills += 1
        assert_same_runs(tiny_experiment, workdir, finished_run)
    print(f"{kills} kills")
    assert kills > 5

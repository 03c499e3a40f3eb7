"""A run of several processes that is killed or told to end, and started again, ends as if nothing had happened."""

from __future__ import annotations

import json
import random
import signal
import time

import psutil
import pytest

from mmae_jax.config import experiment_from_config
from mmae_jax.exit_codes import PREEMPTED
from tests import runs
from tests.multiprocess import pair_config, processes

PAIR = ("--processes=2",)


class Run:
    """One workdir, trained by processes that are started with `python -m mmae_jax.launch`."""

    def __init__(self, workdir, shards, epochs):
        self.workdir = workdir
        self.flags = [f"--config={pair_config.__file__}", f"--config.data.dir={shards}", f"--workdir={workdir}"]
        self.flags += [f"--config.pretrain.epochs={epochs}"]

    def start(self, *launch):
        return processes.start(["mmae_jax.launch", *launch, "--", *self.flags], processes.environment())

    def entries(self):
        file = self.workdir / "metrics.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def steps(self):
        return max((entry["step"] for entry in self.entries()), default=0)

    def finish(self, *launch):
        [(code, text)] = processes.finish([self.start(*launch)], 900)
        assert code == 0, text
        return self

    def state(self):
        config = pair_config.get_config()
        config.data.dir = self.flags[1].partition("=")[2]
        config.pretrain.epochs = int(self.flags[3].partition("=")[2])
        return runs.state_of(experiment_from_config(config), self.workdir, "pretrain")


def assert_same(found, expected):
    assert (found.workdir / "metrics.jsonl").read_text() == (expected.workdir / "metrics.jsonl").read_text()
    runs.assert_same(found.state(), expected.state())


def kill_one(launcher, which):
    """Kills one process of a run; returns whether it ran."""
    children = sorted(psutil.Process(launcher.pid).children(), key=lambda child: child.create_time())
    if len(children) == 2:
        children[which].send_signal(signal.SIGKILL)
    [(code, text)] = processes.finish([launcher])
    assert code == (128 + signal.SIGKILL if len(children) == 2 else 0), text
    return len(children) == 2


def wait_for(launcher, condition):
    while launcher.poll() is None and not condition():
        time.sleep(0.01)


@pytest.mark.slow  # ordinary: kills of one process in tests/train/test_resume.py, of several in test_failures.py
def test_a_run_goes_on_after_one_of_two_processes_was_killed(synthetic_shards, tmp_path):
    expected, found = (Run(tmp_path / name, synthetic_shards, 2) for name in ("whole", "killed"))
    expected.finish(*PAIR)
    launcher = found.start(*PAIR)
    wait_for(launcher, lambda: found.steps() >= 3)
    assert kill_one(launcher, 1)
    assert found.steps() < 6
    assert_same(found.finish(*PAIR), expected)


@pytest.mark.slow
def test_twenty_kills_change_nothing(synthetic_shards, tmp_path):
    expected, found = (Run(tmp_path / name, synthetic_shards, 20) for name in ("whole", "killed"))
    expected.finish(*PAIR)
    draw, kills = random.Random(0), 0
    while kills < 20:
        # Half of them while it starts, compiles or restores, half while it trains, evaluates or saves.
        starting, begun = draw.random() < 0.5, found.steps()
        deadline = time.monotonic() + (draw.uniform(0, 20) if starting else processes.SECONDS)
        goal = begun + (1 if starting else draw.randint(1, 3))
        launcher = found.start(*PAIR)
        wait_for(launcher, lambda deadline=deadline, goal=goal: time.monotonic() > deadline or found.steps() >= goal)
        if not kill_one(launcher, draw.randint(0, 1)):
            break
        kills += 1
        print(f"kill {kills} at step {found.steps()}", flush=True)
    assert kills == 20, "the run ended before"
    assert_same(found.finish(*PAIR), expected)


@pytest.mark.slow
def test_alternating_numbers_of_processes(synthetic_shards, tmp_path):
    expected, found = (Run(tmp_path / name, synthetic_shards, 20) for name in ("one", "changing"))
    expected.finish("--processes=1")
    number = [1, 2, 4, 2, 1, 4]
    for count in number:
        launcher, goal = found.start(f"--processes={count}"), found.steps() + 3
        wait_for(launcher, lambda goal=goal: found.steps() >= goal)
        launcher.send_signal(signal.SIGTERM)
        [(code, text)] = processes.finish([launcher])
        assert code == PREEMPTED, text
    assert found.steps() < 60
    found.finish("--processes=2")
    for ours, theirs in zip(found.entries(), expected.entries(), strict=True):
        assert [ours.pop(name) for name in ("phase", "split")] == [theirs.pop(name) for name in ("phase", "split")]
        assert ours == pytest.approx(theirs, rel=1e-5)

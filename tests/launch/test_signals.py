"""Signals that end a run: what is saved and how it exits.

That it goes on as if nothing had happened is in `tests/train/test_resume.py`.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from mmae_jax.exit_codes import PREEMPTED
from mmae_jax.launch.signals import Preempted, Signals, any_process
from mmae_jax.train import phase as phase_module
from mmae_jax.train import session as session_module
from mmae_jax.train.monitor.log import read_entries
from mmae_jax.weights.checkpoint import Checkpoints
from tests import runs
from tests.multiprocess import pair_config
from tests.resources import await_end


def send(number=signal.SIGTERM):
    os.kill(os.getpid(), number)


def before_step(patch, actions):
    """Calls `actions[phase, step]` before that step, the first time."""
    step_function = phase_module.train_step

    def acting(program, state, batch):
        actions.pop((program.phase, int(state.step) + 1), lambda: None)()
        return step_function(program, state, batch)

    patch.setattr(phase_module, "train_step", acting)


@pytest.fixture
def experiment(synthetic_shards):
    return runs.tiny(synthetic_shards, ("s1_asc",), phases=("pretrain", "probe"), logging__checkpoint_every_steps=100)


def latest(experiment, workdir, phase="pretrain"):
    with Checkpoints(workdir / phase / "checkpoints", experiment, phase) as checkpoints:
        step = checkpoints.latest_step
        return step, None if step is None else checkpoints.progress(step)


def test_ends_soon_after_the_signal_with_a_checkpoint_of_what_was_done(scripted, experiment, tmp_path):
    before_step(scripted, {("pretrain", 4): send})
    with pytest.raises(Preempted, match=f"saved {tmp_path / 'pretrain' / 'checkpoints' / '5'}"):
        runs.run(experiment, tmp_path)
    assert runs.steps_done(runs.state_of(experiment, tmp_path, "pretrain", 5)) == 5


def test_ctrl_c_saves_and_ends_too(scripted, experiment, tmp_path):
    before_step(scripted, {("pretrain", 4): lambda: send(signal.SIGINT)})
    with pytest.raises(Preempted, match="step 5: told to end; saved") as end:
        runs.run(experiment, tmp_path)
    assert end.value.exit_code == 130
    assert latest(experiment, tmp_path)[0] == 5


def test_second_ctrl_c_ends_at_once_and_leaves_no_half_checkpoint(scripted, experiment, tmp_path):
    save = session_module.Checkpoints.save

    def impatient(self, step, *arguments, **options):
        save(self, step, *arguments, **options)
        if step == 5:
            send(signal.SIGINT)

    scripted.setattr(session_module.Checkpoints, "save", impatient)
    before_step(scripted, {("pretrain", 4): lambda: send(signal.SIGINT)})
    with pytest.raises(KeyboardInterrupt, match="without saving"):
        runs.run(experiment, tmp_path)
    step, _ = latest(experiment, tmp_path)
    assert runs.steps_done(runs.state_of(experiment, tmp_path, "pretrain", step)) == step


def test_repeated_sigterm_changes_nothing(scripted, experiment, tmp_path):
    save = session_module.Checkpoints.save

    def signalled(self, step, *arguments, **options):
        send()
        save(self, step, *arguments, **options)
        send()

    scripted.setattr(session_module.Checkpoints, "save", signalled)
    with pytest.raises(Preempted, match="step 5") as end:
        runs.run(experiment, tmp_path)
    assert end.value.exit_code == PREEMPTED
    assert latest(experiment, tmp_path)[0] == 5


def stopped_in_evaluation(scripted, experiment, workdir, number):
    """Runs until told to end in the first batch of evaluation `number`; returns how many evaluations there were."""
    calls = []

    def evaluate(program, state, shards, split, mesh, between):
        calls.append((split, int(state.step)))
        if len(calls) == number:
            send()
        for _ in range(3):
            between()
        return scripted._evaluate(program, state)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phase_module, "evaluate", evaluate)
        with pytest.raises(Preempted):
            runs.run(experiment, workdir)
    return calls


def test_told_to_end_while_evaluating_an_epoch_evaluates_it_again(scripted, synthetic_shards, tmp_path):
    scripted.scores = {3: 0.2, 6: 0.9, 9: 0.3}
    experiment = runs.tiny(synthetic_shards, ("s1_asc",), phases=("finetune",), finetune__epochs=3)
    runs.run(experiment, tmp_path / "undisturbed")
    workdir = tmp_path / "run"
    assert stopped_in_evaluation(scripted, experiment, workdir, 2) == [("val", 3), ("val", 6)]
    step, progress = latest(experiment, workdir, "finetune")
    assert (step, progress.best_step, progress.evaluation_due) == (6, 3, True)
    runs.run(experiment, workdir)
    assert (workdir / "metrics.jsonl").read_text() == (tmp_path / "undisturbed" / "metrics.jsonl").read_text()
    results = [(run / "finetune" / "result.json").read_text() for run in (workdir, tmp_path / "undisturbed")]
    assert results[0] == results[1]
    with Checkpoints(workdir / "finetune" / "checkpoints", experiment, "finetune") as checkpoints:
        assert not checkpoints.progress(6).evaluation_due


def test_told_to_end_while_evaluating_the_result_evaluates_it_again(scripted, experiment, tmp_path):
    assert stopped_in_evaluation(scripted, experiment, tmp_path, 3) == [("val", 3), ("val", 6), ("val", 6)]
    runs.run(experiment, tmp_path)
    splits = [(entry["split"], entry["step"]) for entry in read_entries(tmp_path) if entry["phase"] == "pretrain"]
    assert splits == [("train", s) for s in (1, 2, 3)] + [("val", 3)] + [("train", s) for s in (4, 5, 6)] + [
        ("val", 6),
        ("test", 6),
    ]


def test_told_to_end_between_phases_does_not_begin_the_next(scripted, experiment, tmp_path):
    scripted.setattr(phase_module.report, "save_png", lambda *_: send())
    with pytest.raises(Preempted, match="pretrain, step 6"):
        runs.run(experiment, tmp_path)
    assert (tmp_path / "pretrain" / "result.json").exists()
    assert not (tmp_path / "probe").exists()


def test_handlers_are_those_of_before_when_the_run_is_over(scripted, experiment, tmp_path):
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    runs.run(experiment, tmp_path)
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_other_threads_do_without_signals():
    def listen():
        with Signals() as signals:
            done.append(signals.received)

    done = []
    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()
    assert done == [None]


@pytest.mark.parametrize("minutes", [None, 2.5])
def test_checkpoints_by_the_clock(scripted, synthetic_shards, tmp_path, monkeypatch, minutes):
    clock = [0.0]
    monkeypatch.setattr(session_module.time, "monotonic", lambda: clock[0])
    before_step(scripted, {("pretrain", step): lambda: clock.__setitem__(0, clock[0] + 60) for step in range(1, 13)})
    saved, save = [], session_module.Checkpoints.save
    scripted.setattr(
        session_module.Checkpoints, "save", lambda self, step, *a, **o: (saved.append(step), save(self, step, *a, **o))
    )
    changes = {"pretrain__batch_size": 1, "pretrain__epochs": 1, "logging__checkpoint_every_minutes": minutes}
    changes |= {"logging__checkpoint_every_steps": 100}
    runs.run(runs.tiny(synthetic_shards, ("s1_asc",), phases=("pretrain",), **changes), tmp_path)
    # Three minutes are seen in step 3, 7, 11 and read a step later; the last step ends the epoch.
    assert saved == ([15] if minutes is None else [4, 8, 12, 15])


def test_one_process_knows_its_own_wishes():
    np.testing.assert_array_equal(any_process(runs.one_device(), True, False), [1, 0])


NESTED = """
import os, signal, time
from mmae_jax.launch.signals import Signals

with Signals():
    with Signals() as training:
        training.something_to_save = True
        os.kill(os.getpid(), signal.{name})
        time.sleep(0.5)
        print(training.received.name, flush=True)
    os.kill(os.getpid(), signal.{name})
    time.sleep(60)
"""


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", PREEMPTED), ("SIGINT", 130)])
def test_only_training_with_something_to_save_goes_on_after_a_signal(name, code):
    done = subprocess.run([sys.executable, "-c", NESTED.format(name=name)], capture_output=True, text=True, timeout=50)
    assert (done.returncode, done.stdout) == (code, f"{name}\n")
    assert done.stderr == f"{name}: ends, there is nothing to save\n"


READING = """
import os, sys
from mmae_jax.data.pipeline import train_batches
from mmae_jax.data.shards import open_shards
from tests import runs

if __name__ == "__main__":
    experiment = runs.tiny(sys.argv[1], data__workers=2)
    next(train_batches(experiment, "pretrain", open_shards(experiment)))
    os._exit(3)
"""


def test_readers_end_with_training_that_is_killed(synthetic_shards, tmp_path):
    (tmp_path / "reading.py").write_text(READING)
    environment = os.environ | {"PYTHONPATH": str(runs.ROOT)}
    command = [sys.executable, str(tmp_path / "reading.py"), str(synthetic_shards)]
    process = subprocess.Popen(command, env=environment, start_new_session=True, stderr=subprocess.DEVNULL)
    assert process.wait(200) == 3
    await_end(process.pid, 60, os.killpg)


def started(workdir, *arguments):
    return runs.training_process(workdir, *arguments, config=pair_config.__file__, start_new_session=True)


def wait_for(process, condition):
    while not condition():
        assert process.poll() is None, process.stderr.read()[-3000:]
        time.sleep(0.02)


def ended(process, number):
    """Sends a signal to the process and its readers, as SLURM and terminals do; returns exit code and stderr."""
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


def test_processes_exit_with_their_code_and_one_line(tiny_experiment, tmp_path):
    workdir = tmp_path / "run"
    data = [f"--config.data.dir={tiny_experiment.data.dir}", "--config.data.workers=1"]
    data += [
        "--config.pretrain.epochs=1000",
        "--config.pretrain.batch_size=1",
    ]  # 15 steps an epoch: the signals come before the first evaluation

    process = started(workdir, *data)
    wait_for(process, (workdir / "goodput.jsonl").exists)
    code, errors = ended(process, signal.SIGTERM)
    assert code == PREEMPTED, errors
    assert "SIGTERM: ends, there is nothing to save" in errors.splitlines()

    for number, expected in ((signal.SIGTERM, PREEMPTED), (signal.SIGINT, 130)):
        process, before = started(workdir, *data), len(read_entries(workdir))
        wait_for(process, lambda before=before: len(read_entries(workdir)) > before + 4)
        code, errors = ended(process, number)
        assert code == expected, errors
        assert "Traceback" not in errors
        saved = re.search(r"told to end; saved (\S+),", errors).group(1)
        changes = {"pretrain__epochs": 1000, "pretrain__batch_size": 1}
        step = latest(runs.tiny(tiny_experiment.data.dir, ("s2",), phases=("pretrain",), **changes), workdir)[0]
        assert saved == str(workdir / "pretrain" / "checkpoints" / str(step))
        assert step == [entry["step"] for entry in read_entries(workdir) if entry["split"] == "train"][-1]

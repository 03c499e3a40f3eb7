"""What a command starts ends with it, also where nothing could be passed on."""

import json
import signal
import subprocess
import sys
import time

from etils import epath

from mmae_jax.launch import child
from mmae_jax.train.exclusive import LOCK_FILE, InUseError, exclusive
from tests import compilation, runs


def until(reached, seconds=120):
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_free(folder):
    try:
        with exclusive(epath.Path(folder)):
            return True
    except InUseError:
        return False


def killed_while_another_trains(command, folder, synthetic_shards):
    """Starts a command that trains in a process of its own, kills it, and waits until nobody trains in a folder."""
    long = [f"--config={runs.CONFIG}", f"--config.data.dir={synthetic_shards}", "--config.finetune.epochs=1000"]
    started = subprocess.Popen(
        [sys.executable, "-m", "mmae_jax", *command, *long], env=compilation.environment(), stderr=subprocess.DEVNULL
    )
    until((folder / LOCK_FILE).exists)
    until((folder / LOCK_FILE).read_text)
    assert json.loads((folder / LOCK_FILE).read_text())["process"] != started.pid
    assert not is_free(folder)
    started.send_signal(signal.SIGKILL)
    assert started.wait() == -signal.SIGKILL
    until(lambda: is_free(folder), seconds=20)


def test_a_trial_ends_with_the_sweep_that_is_killed(synthetic_shards, tmp_path):
    trial = tmp_path / "sweep" / "trials" / "000"
    sweep = ["sweep", f"--workdir={tmp_path / 'sweep'}", "--vary=finetune.base_lr=1e-4"]
    killed_while_another_trains(sweep, trial / "run", synthetic_shards)
    assert child.GONE.decode() in (trial / "log.txt").read_text()


def test_training_ends_with_the_launcher_that_is_killed(synthetic_shards, tmp_path):
    launch = ["launch", "--processes=1", "--", f"--workdir={tmp_path / 'run'}"]
    killed_while_another_trains(launch, tmp_path / "run", synthetic_shards)

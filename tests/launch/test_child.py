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


def test_a_trial_ends_with_the_sweep_that_is_killed(synthetic_shards, tmp_path):
    command = [sys.executable, "-m", "mmae_jax", "sweep", f"--config={runs.CONFIG}", f"--workdir={tmp_path / 'sweep'}"]
    command += [
        f"--config.data.dir={synthetic_shards}",
        "--config.finetune.epochs=1000",
        "--vary=finetune.base_lr=1e-4",
    ]
    sweep = subprocess.Popen(command, env=compilation.environment(), stderr=subprocess.DEVNULL)
    trial = tmp_path / "sweep" / "trials" / "000"
    until((trial / "run" / LOCK_FILE).exists)
    until((trial / "run" / LOCK_FILE).read_text)
    assert json.loads((trial / "run" / LOCK_FILE).read_text())["process"] != sweep.pid
    assert not is_free(trial / "run")
    sweep.send_signal(signal.SIGKILL)
    assert sweep.wait() == -signal.SIGKILL
    until(lambda: is_free(trial / "run"), seconds=20)
    assert child.GONE.decode() in (trial / "log.txt").read_text()

"""A signal to one process ends all after the same step, and the run goes on in another number of processes."""

import json
import os
import signal
import time

import pytest

from tests.multiprocess import pair_config, processes

CONFIG = pair_config.__file__


@pytest.fixture
def start(synthetic_shards, tmp_path):
    def starting(workdir, number):
        arguments = ["mmae_jax.main", f"--config={CONFIG}", f"--config.data.dir={synthetic_shards}"]
        arguments += [f"--workdir={workdir}", "--config.pretrain.epochs=400"]
        if number > 1:
            arguments += [f"--coordinator={processes.free_address()}", f"--num_processes={number}"]
        own = [[f"--process_id={index}"] if number > 1 else [] for index in range(number)]
        variables = processes.environment()
        return [processes.start([*arguments, *flags], variables) for flags in own]

    return starting


def steps(workdir):
    file = workdir / "metrics.jsonl"
    entries = [json.loads(line) for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return [entry["step"] for entry in entries if entry["split"] == "train"]


def end_by_signal(started, who, number, workdir):
    """Sends the signal to one process after some steps; returns exit codes, messages and the step of the checkpoint."""
    before = len(steps(workdir)) if (workdir / "metrics.jsonl").exists() else 0
    while not (workdir / "metrics.jsonl").exists() or len(steps(workdir)) < before + 4:
        assert all(process.poll() is None for process in started), processes.finish(started, 1)
        time.sleep(0.01)
    os.kill(started[who].pid, number)
    ends = processes.finish(started)
    latest = max(int(path.name) for path in (workdir / "pretrain" / "checkpoints").glob("[0-9]*"))
    return [code for code, _ in ends], [text for _, text in ends], latest


@pytest.mark.parametrize("who", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_a_signal_to_one_process_ends_all_with_a_checkpoint(start, tmp_path, who):
    workdir = tmp_path / "run"
    codes, texts, latest = end_by_signal(start(workdir, 2), who, signal.SIGTERM, workdir)
    assert codes == [75, 75], texts
    assert f"told to end; saved {workdir / 'pretrain' / 'checkpoints' / str(latest)}," in texts[0]
    assert not any("Traceback" in text or "error:" in text for text in texts), texts
    assert steps(workdir) == list(range(1, latest + 1))
    codes, texts, later = end_by_signal(start(workdir, 2 - who), 0, signal.SIGTERM, workdir)
    assert codes == [75] * (2 - who), texts
    assert f"pretrain continues from step {latest} " in texts[0]
    assert steps(workdir) == list(range(1, later + 1))

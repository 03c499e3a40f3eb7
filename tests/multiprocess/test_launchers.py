"""What starts processes: `python -m mmae_jax.launch` and Open MPI."""

import shutil
import subprocess
import sys

import pytest

from mmae_jax.launch.local import Plan
from mmae_jax.spec import SpecError
from tests import runs
from tests.multiprocess import processes


def test_a_mistake_ends_the_launch_with_its_code(tmp_path):
    flags = [f"--config={runs.CONFIG}", f"--workdir={tmp_path}", "--config.data.dir=nowhere"]
    command = ["mmae_jax.launch", "--processes=2", "--", *flags]
    [(code, text)] = processes.finish([processes.start(command, processes.environment())])
    assert code == 1
    lines = [line for line in text.splitlines() if "error: " in line]
    assert lines
    assert {line.partition(" ")[0] for line in lines} <= {"[0]", "[1]"}
    assert all("data.dir: nowhere is not a folder" in line for line in lines), text


def test_each_process_sees_its_own_devices(monkeypatch):
    plan = Plan(2, 2, ["--config=c"])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [plan.environment(index)["CUDA_VISIBLE_DEVICES"] for index in range(2)] == ["0,1", "2,3"]
    assert plan.environment(1)["XLA_FLAGS"].endswith("--xla_force_host_platform_device_count=2")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7,5,3,1")
    assert [plan.environment(index)["CUDA_VISIBLE_DEVICES"] for index in range(2)] == ["7,5", "3,1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7,5,3")
    with pytest.raises(SpecError, match="CUDA_VISIBLE_DEVICES: expected 4 devices or more, found 7,5,3"):
        plan.environment(0)


def test_one_process_needs_no_others():
    assert Plan(1, 1, ["--config=c"]).command(0, 1234)[1:] == ["-m", "mmae_jax.launch.child", "train", "--config=c"]


@pytest.mark.skipif(shutil.which("mpirun") is None, reason="Open MPI is not here")
def test_open_mpi_tells_processes_of_each_other(tmp_path):
    variables = processes.environment(FAILING="slow")
    command = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", "2", sys.executable, "-m"]
    command += ["tests.multiprocess.failing", f"--config={runs.CONFIG}", f"--workdir={tmp_path}"]
    done = subprocess.run(command, cwd=processes.ROOT, env=variables, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "[Gloo] Rank 1 is connected to 1 peer ranks" in done.stdout + done.stderr

"""Raw data → shards → statistics → verification → a run of all phases, by the command lines."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmae_jax.train.result import read_result

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_pastis_hd_from_raw_files_to_scores(shards, tmp_path):
    def run(*arguments):
        one_device = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
        environment = one_device | {"JAX_PLATFORMS": "cpu", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
        done = subprocess.run(
            [sys.executable, "-m", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "3 shards with 320 records" in run("data_prep", "verify", str(shards))
    run("data_prep", "statistics", str(shards), f"--out={tmp_path / 'statistics'}")
    run(
        *("mmae_jax.main", "--config=configs/pastis_hd.py:runlocal", f"--workdir={tmp_path / 'run'}"),
        *(f"--config.data.dir={shards}", "--config.data.repeats=2", "--config.targets=('pastis_seg','pastis_mlc')"),
    )
    result = read_result(tmp_path / "run", "finetune")
    assert result is not None
    assert {"pastis_seg/average_iou", "pastis_mlc/weighted_f1"} <= set(result.scores["test"])

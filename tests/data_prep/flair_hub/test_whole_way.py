"""Raw data → shards → statistics → verification → a run of all phases, by the command lines."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from data_prep.__main__ import main
from mmae_jax.train.result import read_result

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "config"),
    [
        (["flair_hub"], "flair_hub.py:runlocal"),
        (["flair_hub", "--version=flair2"], "flair2.py:runlocal"),
        (["flair2"], "flair2.py:native_runlocal"),
    ],
    ids=["FLAIR-HUB", "FLAIR#2 in FLAIR-HUB", "FLAIR#2"],
)
def test_from_raw_files_to_scores(tmp_path, source, config):
    raw, shards = tmp_path / "raw", tmp_path / "shards"
    assert main(["synthetic", source[0], f"--out_dir={raw}", "--tiles=6", "--s2_dates=8"]) == 0
    assert main([*source, f"--raw_dir={raw}", f"--out_dir={shards}"]) == 0
    assert main(["verify", str(shards)]) == 0
    assert main(["statistics", str(shards), f"--out={tmp_path / 'statistics'}"]) == 0
    one_device = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    environment = one_device | {"JAX_PLATFORMS": "cpu", "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    flags = [f"--config=configs/{config}", f"--workdir={tmp_path / 'run'}", f"--config.data.dir={shards}"]
    command = [sys.executable, "-m", "mmae_jax.main", *flags]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = read_result(tmp_path / "run", "finetune")
    assert result is not None
    assert "cosia/average_iou" in result.scores["test"]

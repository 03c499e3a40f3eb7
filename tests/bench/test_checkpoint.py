"""What the benchmark of checkpoints prints and refuses."""

import re

from mmae_jax.command_line.program import main
from tests import runs


def test_each_checkpoint_is_timed(tmp_path, capsys):
    workdir = tmp_path / "new"
    assert main(["bench", "checkpoint", f"--config={runs.CONFIG}", f"--workdir={workdir}", "--rounds=2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert re.match(rf"{runs.CONFIG}, pretrain: [\d.e-]+ GB on 8 × cpu", lines[0])
    found = [re.match(r"held up ([\d.]+) s of ([\d.]+) s", line) for line in lines[1:]]
    assert [0 < float(line[1]) <= float(line[2]) + 0.01 for line in found] == [True, True]
    assert {path.name for path in (workdir / "pretrain" / "checkpoints").iterdir()} >= {"1", "2"}


def test_folder_that_exists_is_refused(tmp_path, capsys):
    assert main(["bench", "checkpoint", f"--config={runs.CONFIG}", f"--workdir={tmp_path}"]) == 1
    assert capsys.readouterr().err == f"error: --workdir: expected a new folder, found {tmp_path}\n"

"""Sweeps by their command line; what trains in them is a stand-in, but for one."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from etils import epath

from mmae_jax.command_line import program as command_line
from mmae_jax.launch import child
from mmae_jax.sweep import sweep
from mmae_jax.train.exclusive import exclusive
from tests import compilation, runs

TARGET = "treesat_mlc_thresh/weighted_f1"
STAND_IN = '''
"""Trains nothing: scores grow with `finetune.base_lr` and the epoch."""
import argparse, json, os, pathlib, signal, sys, time
parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("command")
parser.add_argument("--workdir", type=pathlib.Path)
parser.add_argument("--config.finetune.base_lr", dest="rate", type=float)
options, _ = parser.parse_known_args()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
options.workdir.mkdir(parents=True, exist_ok=True)
if options.rate > 0.9:
    sys.exit("error: finetune, step 3: not finite: loss=nan")
lines = options.workdir / "metrics.jsonl"
begun = len(lines.read_text().splitlines()) if lines.exists() else 0
for epoch in range(begun + 1, 5):
    entry = {"phase": "finetune", "step": epoch, "epoch": epoch, "split": "val", "TARGET": options.rate * epoch}
    with lines.open("a") as file:
        file.write(json.dumps(entry) + "\\n")
    time.sleep(float(os.environ.get("STAND_IN_SECONDS", 0)))
score = 4 * options.rate
result = {"phase": "finetune", "step": 4, "averaged": False}
result |= {"scores": {"val": {"TARGET": score}, "test": {"TARGET": score / 2}}}
(options.workdir / "finetune").mkdir(exist_ok=True)
(options.workdir / "finetune" / "result.json").write_text(json.dumps(result))
'''.replace("TARGET", TARGET)


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    file = tmp_path / "stand_in.py"
    file.write_text(STAND_IN)
    monkeypatch.setattr(child, "PROGRAM", (sys.executable, str(file)))
    monkeypatch.setattr(sweep, "POLL_SECONDS", 0.05)
    monkeypatch.setenv("PYTHONPATH", str(runs.ROOT))
    return file


def arguments(workdir, *more, vary="finetune.base_lr=0.1,0.4,0.2"):
    return ["sweep", f"--config={runs.CONFIG}", f"--workdir={workdir}", f"--vary={vary}", *more]


def table(workdir):
    with (workdir / "trials.csv").open() as file:
        return list(csv.DictReader(file))


def test_the_best_by_the_validation_split_comes_first(stand_in, tmp_path, capsys):
    assert command_line.main(arguments(tmp_path / "sweep")) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split() == ["trial", "finetune.base_lr", "val", TARGET, "test", "epochs", "state"]
    assert [line.split()[:4] for line in printed[1:4]] == [
        ["1", "0.4", "1.6", "0.8"],
        ["2", "0.2", "0.8", "0.4"],
        ["0", "0.1", "0.4", "0.2"],
    ]
    assert [row["val"] for row in table(tmp_path / "sweep")] == ["0.4", "1.6", "0.8"]
    assert (tmp_path / "sweep" / "sweep.png").stat().st_size > 10_000


def test_what_is_done_is_not_done_again_and_further_trials_may_come(stand_in, tmp_path, capsys):
    options = {"vary": "finetune.base_lr=log(0.01,0.9)"}
    assert command_line.main(arguments(tmp_path / "sweep", "--trials=2", **options)) == 0
    first = table(tmp_path / "sweep")
    times = [file.stat().st_mtime_ns for file in sorted(tmp_path.glob("sweep/trials/*/run/metrics.jsonl"))]
    assert command_line.main(arguments(tmp_path / "sweep", "--trials=3", **options)) == 0
    assert table(tmp_path / "sweep")[:2] == first
    assert len(table(tmp_path / "sweep")) == 3
    assert [f.stat().st_mtime_ns for f in sorted(tmp_path.glob("sweep/trials/*/run/metrics.jsonl"))][:2] == times
    assert command_line.main(arguments(tmp_path / "sweep", "--trials=3", "--seed=1", **options)) == 1
    assert "another sweep was begun here, with search 'random, seed 0'" in capsys.readouterr().err


def test_one_that_is_behind_ends_early(stand_in, tmp_path, monkeypatch):
    monkeypatch.setenv("STAND_IN_SECONDS", "0.3")
    vary = "finetune.base_lr=0.5,0.4,0.3,0.1"
    assert command_line.main(arguments(tmp_path / "sweep", "--prune=2", vary=vary)) == 0
    rows = table(tmp_path / "sweep")
    assert [row["state"] for row in rows] == ["finished"] * 3 + ["stopped early"]
    assert rows[3]["test"] == ""
    assert 2 <= int(rows[3]["epochs"]) < 4


def test_a_trial_that_fails_ends_no_other(stand_in, tmp_path, caplog):
    assert command_line.main(arguments(tmp_path / "sweep", vary="finetune.base_lr=0.1,0.95")) == 0
    rows = table(tmp_path / "sweep")
    assert [row["state"] for row in rows] == ["finished", "failed"]
    assert rows[1]["why"] == "exit code 1: finetune, step 3: not finite: loss=nan"
    assert "trial 1 failed" in caplog.text
    assert command_line.main(arguments(tmp_path / "other", vary="finetune.base_lr=0.95,1")) == 1


def test_what_another_trains_is_passed_over(stand_in, tmp_path, caplog):
    with exclusive(epath.Path(tmp_path / "sweep" / "trials" / "001")):
        assert command_line.main(arguments(tmp_path / "sweep")) == 0
    assert [row["trial"] for row in table(tmp_path / "sweep")] == ["0", "2"]
    assert "trials still trained by others: 1" in caplog.text
    assert command_line.main(arguments(tmp_path / "sweep")) == 0
    assert len(table(tmp_path / "sweep")) == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_sweep_goes_on_in_the_middle_of_a_trial(stand_in, tmp_path, number):
    program = f"from mmae_jax.launch import child; child.PROGRAM = ({sys.executable!r}, {str(stand_in)!r})\n"
    program += "from mmae_jax.command_line.program import main; import sys; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", program, *arguments(tmp_path / "sweep")]
    environment = os.environ | {"STAND_IN_SECONDS": "0.5"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    lines = tmp_path / "sweep" / "trials" / "000" / "run" / "metrics.jsonl"
    while not lines.exists():
        time.sleep(0.05)
    process.send_signal(number)
    assert process.wait() == (75 if number == signal.SIGTERM else -signal.SIGKILL)
    if number == signal.SIGKILL:
        time.sleep(3)  # the stand-in does not end with it, and goes on to its end
    assert not (tmp_path / "sweep" / "trials" / "000" / "trial.json").exists()
    assert command_line.main(arguments(tmp_path / "sweep")) == 0
    epochs = [json.loads(line)["epoch"] for line in lines.read_text().splitlines()]
    assert epochs == [1, 2, 3, 4]
    assert [row["state"] for row in table(tmp_path / "sweep")] == ["finished"] * 3


@pytest.mark.parametrize(
    ("more", "vary", "message"),
    [
        ((), "finetune.base_rl=1,2", "no such field; expected one of"),
        ((), "finetune.epochs=1,x", "finetune.epochs=x"),
        ((), "finetune.batch_size=4,-1", "finetune.batch_size"),
        (("--monitor=weighted_f1",), "finetune.epochs=1,2", "--monitor: expected one of"),
        (("--prune=0",), "finetune.epochs=1,2", "--prune: expected 1 or more"),
        ((), "phases=['pretrain'],['probe']", "expected trials with the same last phase"),
    ],
)
def test_mistakes_are_told_before_anything_is_trained(tmp_path, capsys, more, vary, message):
    assert command_line.main(arguments(tmp_path / "sweep", *more, vary=vary)) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "sweep").exists()


@pytest.mark.slow
def test_real_trials(synthetic_shards, tmp_path):
    fields = (f"--config.data.dir={synthetic_shards}", "--config.phases=probe")
    command = arguments(tmp_path / "sweep", *fields, vary="probe.base_lr=1e-4,1e-2")
    subprocess.run([sys.executable, "-m", "mmae_jax", *command], check=True, env=compilation.environment())
    assert [row["state"] for row in table(tmp_path / "sweep")] == ["finished"] * 2

"""`bench suite`: processes with a time limit, results at once, and going on where it was cut off."""

import os
import re
import sys
import textwrap
import time
from pathlib import Path

import pytest

from mmae_jax.bench import record
from mmae_jax.bench.suite import cases, runner
from mmae_jax.bench.suite.cases import Case
from mmae_jax.command_line.config_file import load_experiment
from mmae_jax.command_line.parser import parse
from mmae_jax.command_line.program import main
from mmae_jax.commands.bench import BENCHES, Bench
from tests import runs

SCRIPT = """
    import json, os, signal, sys, time

    what, options = sys.argv[1], dict(word.split("=") for word in sys.argv[2:])
    print("pid", os.getpid(), flush=True)
    if what == "broken":
        sys.exit("error: kaput")
    if what == "told":
        os.kill(os.getppid(), signal.SIGTERM)
    if what in ("endless", "told"):
        time.sleep(600)
    kind = "sweep" if what == "half" else "train"
    content = {"format": 1, "what": kind, "date": "2026-01-02", "command": what, "versions": {}}
    content["hardware"] = {"platform": "cpu", "kind": "cpu", "devices": 1, "cores": 2}
    content["found"] = {"config": f"configs/{what}.py", "phase": "pretrain", "batch": 4}
    content["found"]["speed"] = {"median": 0.5, "samples_per_second": 8.0}
    with open(options["--json"], "w") as file:
        json.dump(content, file)
"""


@pytest.fixture
def scripted(monkeypatch, tmp_path):
    """Each case is a small script instead of a bench; returns the folder of the suite."""
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    monkeypatch.setattr(runner, "PROGRAM", (sys.executable, str(script)))
    monkeypatch.setattr(runner, "LEAST_SECONDS", 0.0)
    return tmp_path / "results"


def case(name: str, seconds: float = 60) -> Case:
    return Case(name, (name,), seconds)


def outcomes(printed: str) -> list[tuple[str, str]]:
    return re.findall(r"^(\w+) +[\d.]+ s  (.*)$", printed, re.MULTILINE)


def test_a_suite_goes_on_where_it_stopped(scripted, capsys):
    first = [case("broken"), case("good"), case("endless", 1)]
    runner.run(first, scripted, 60)
    expected = [("broken", "failed: error: kaput"), ("good", "done"), ("endless", "failed: not done after 1 s")]
    assert outcomes(capsys.readouterr().out) == expected
    assert record.read(scripted / "good.json")["what"] == "train"
    assert (scripted / "broken.failed").read_text() == "error: kaput\n"
    # What has a record is not measured again, and what failed waits for what was not tried.
    runner.run([*first[:2], case("half"), case("new")], scripted, 60)
    assert outcomes(capsys.readouterr().out) == [
        ("half", "failed: it wrote no record"),
        ("new", "done"),
        ("broken", "failed: error: kaput"),
    ]


def test_a_case_that_fails_no_longer_is_done(scripted, capsys):
    scripted.mkdir()
    (scripted / "good.failed").write_text("not done after 60 s\n")
    runner.run([case("good")], scripted, 60)
    assert not (scripted / "good.failed").exists()


def test_no_case_begins_without_time(scripted, capsys, monkeypatch):
    monkeypatch.setattr(runner, "LEAST_SECONDS", 20.0)
    runner.run([case("good")], scripted, 5)
    assert capsys.readouterr().out == "time is over before good; the same command goes on\n"
    assert not list(scripted.iterdir())


def test_told_to_end_it_ends_what_it_measures_and_prints_its_tables(scripted, monkeypatch, capsys):
    monkeypatch.setattr("mmae_jax.bench.suite.command.cases", lambda *_: [case("good"), case("told"), case("new")])
    assert main(["bench", "suite", f"--out={scripted}"]) == 130
    printed = capsys.readouterr()
    assert outcomes(printed.out) == [("good", "done")]
    assert "| good pretrain | 2 CPU cores | 4 | 500.0 | 8.0 |" in printed.out
    assert printed.err == "interrupted; the same command continues\n"
    pid = int((scripted / "told.log").read_text().split()[1])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    monkeypatch.setattr("mmae_jax.bench.suite.command.cases", lambda *_: [case("good"), case("new")])
    assert main(["bench", "suite", f"--out={scripted}"]) == 0
    assert outcomes(capsys.readouterr().out) == [("new", "done")]


@pytest.mark.parametrize("local", [False, True])
def test_every_case_is_a_command_of_a_bench(local, tmp_path):
    listed = cases.cases(tmp_path, local)
    assert len({one.name for one in listed}) == len(listed)
    for one in listed:
        what, *arguments = one.arguments
        options = parse(Bench(module=BENCHES[what][0]), [*arguments, f"--json={tmp_path / 'x.json'}"])
        if what != "train":
            assert all((runs.ROOT / config.partition(":")[0]).is_file() for config in options.config)
            continue
        experiment = load_experiment(str(runs.ROOT / options.config), options.overrides)
        assert Path(experiment.compilation_cache).parent == tmp_path
        assert experiment.model.dtype == ("float32" if local else "bfloat16")
        assert options.phase in experiment.phases


def test_cases_are_listed_and_chosen(capsys, tmp_path):
    arguments = ("bench", "suite", f"--out={tmp_path}", "--list")
    assert main([*arguments, "--only", "flair_hub_finetune", "flair_hub_pretrain_start"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["flair_hub_finetune", "flair_hub_pretrain_start"]
    assert main([*arguments, "--only", "everything"]) == 2
    assert "--only: expected some of flair_hub_pretrain, " in capsys.readouterr().err


@pytest.mark.slow
def test_steps_are_measured_and_a_restart_finds_them(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(runs.ROOT)
    monkeypatch.delenv("XLA_FLAGS")  # one device
    names = ("treesatai_ts_pretrain", "treesatai_ts_pretrain_start")
    arguments = ["bench", "suite", f"--out={tmp_path}", "--runlocal", "--minutes=30", "--only"]
    assert main([*arguments, names[0]]) == 0
    assert outcomes(capsys.readouterr().out) == [(names[0], "done")]
    begin = time.monotonic()
    assert main([*arguments, *names]) == 0
    assert time.monotonic() - begin < 300
    printed = capsys.readouterr().out
    assert outcomes(printed) == [(names[1], "done")]
    cold, warm = (record.read(tmp_path / f"{name}.json")["found"]["start"] for name in names)
    assert cold["cached"] == warm["compiled"] == 0
    assert warm["compiling"] < cold["compiling"] / 2
    assert "## Where the time goes" in printed

"""Claims by their command line; what trains is a stand-in, but for one."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from mmae_jax.claims import work
from mmae_jax.claims.finding import read
from mmae_jax.command_line import program as command_line
from mmae_jax.launch import child
from tests import runs

STAND_IN = '''
"""Trains nothing: a run of the arm whose fusion is `mod` scores 0.2 more, and every seed differs a little."""
import argparse, json, os, pathlib, signal, sys, time
parser = argparse.ArgumentParser(allow_abbrev=False)
parser.add_argument("command")
parser.add_argument("--workdir", type=pathlib.Path)
parser.add_argument("--config.model.fusion", dest="fusion", default="")
parser.add_argument("--config.seed", dest="seed", type=int)
parser.add_argument("--config.phases", dest="phases", default="finetune")
parser.add_argument("--config.init_from", dest="before", type=pathlib.Path)
options, _ = parser.parse_known_args()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
if options.before is not None and not any(options.before.glob("*/result.json")):
    sys.exit("error: init_from: not there")
if os.environ.get("STAND_IN_FAILS") == options.fusion:
    sys.exit("error: finetune, step 3: not finite: loss=nan")
time.sleep(float(os.environ.get("STAND_IN_SECONDS", 0)))
phase = options.phases.split(",")[-1]
score = 0.5 + 0.2 * (options.fusion == "mod") + 0.001 * options.seed
result = {"phase": phase, "step": 4, "averaged": False, "scores": {"test": {"crop/overall_accuracy": score}}}
(options.workdir / phase).mkdir(parents=True, exist_ok=True)
(options.workdir / phase / "result.json").write_text(json.dumps(result))
'''

TREESAT = "configs/treesatai_ts.py:runlocal"


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    file = tmp_path / "stand_in.py"
    file.write_text(STAND_IN)
    monkeypatch.setattr(child, "PROGRAM", (sys.executable, str(file)))
    monkeypatch.setattr(work, "POLL_SECONDS", 0.02)
    monkeypatch.setattr("mmae_jax.commands.claims.TILES", 16)
    return file


def claims(*arguments):
    return command_line.main(["claims", *arguments])


def test_a_claim_is_tried_where_it_is_true_and_where_it_is_not(tmp_path, stand_in, capsys):
    out = tmp_path / "out"
    # the stand-in does not look at data: where the claim is set to be untrue, its verdict is a wrong one
    assert (
        claims("temporal_fusion", f"--out={out}", "--folds=2", "--processes=2", f"--page={tmp_path / 'page.md'}") == 1
    )
    found = read(out / "temporal_fusion" / "order_tells")
    assert [one.verdict for one in found.compared] == ["holds"]
    assert found.compared[0].difference == pytest.approx(0.2)
    assert found.as_set
    assert not read(out / "temporal_fusion" / "level_tells").as_set
    assert "| temporal_fusion: all dates" in capsys.readouterr().out
    page = (tmp_path / "page.md").read_text()
    assert "although it was made to: does not hold" in page
    for picture in (tmp_path / "page").iterdir():
        assert f"page/{picture.name}" in page
        assert picture.read_bytes().startswith(b"\x89PNG")
    assert len(list((tmp_path / "page").iterdir())) == 2


def test_what_is_finished_is_not_done_again_and_numbers_repeat(tmp_path, stand_in, capsys):
    out = tmp_path / "out"
    claims("temporal_fusion", f"--out={out}", "--folds=2")
    before = {file: file.stat().st_mtime_ns for file in out.rglob("result.json")}
    first = capsys.readouterr().out
    claims("temporal_fusion", f"--out={out}", "--folds=2")
    assert capsys.readouterr().out.splitlines()[-4:] == first.splitlines()[-4:]
    assert before == {file: file.stat().st_mtime_ns for file in out.rglob("result.json")}


def test_runs_that_start_from_others_come_after_them(tmp_path, stand_in):
    claims("ssl_gain", f"--out={tmp_path}", "--folds=2", "--processes=3")
    found = read(tmp_path / "ssl_gain" / "level_tells")
    assert [one.verdict for one in found.compared] == ["does not hold"] * 3


def test_a_failed_run_is_named_and_the_others_are_kept(tmp_path, stand_in, monkeypatch, caplog):
    monkeypatch.setenv("STAND_IN_FAILS", "monotemp")
    assert claims("temporal_fusion", f"--out={tmp_path}", "--folds=2") == 1
    assert "monotemp, fold 0, seed 0: exit code 1: finetune, step 3: not finite: loss=nan" in caplog.text
    monkeypatch.delenv("STAND_IN_FAILS")
    assert claims("temporal_fusion", f"--out={tmp_path}", "--folds=2") == 1  # of the landscape where it is untrue
    assert read(tmp_path / "temporal_fusion" / "order_tells").as_set


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected claims"),
        (["temporal_fusio"], "did you mean temporal_fusion?"),
        (["temporal_fusion", "--folds=0"], "--folds: expected 1 or more"),
        (["temporal_fusion", "--shards=x"], "expected --config, too"),
        (["temporal_fusion", f"--config={TREESAT}", "--shards=x", "--folds=2"], "--folds: only for made-up landscapes"),
        (["temporal_fusion", "--metric=crop/miou"], "--metric: expected one of crop/overall_accuracy"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, stand_in, capsys, arguments, message):
    assert claims(*arguments, f"--out={tmp_path / 'out'}") != 0
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_a_page_of_nothing_leaves_nothing(tmp_path, capsys):
    assert claims(f"--page={tmp_path / 'page.md'}", f"--out={tmp_path / 'out'}") == 1
    assert "--page: found nothing" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


CLAIM_OF_ONES_OWN = """
def get_claim(inputs=None):
    arms = {name: dict(fields={"model.fusion": name, "phases": ["finetune"]}) for name in ("mod", "monotemp")}
    compared = dict(says="early beats late", better="mod", worse="monotemp")
    return dict(question="?", published="", arms=arms, comparisons={"early": compared})
"""


def test_a_claim_of_ones_own_data_needs_no_landscapes(tmp_path, stand_in, capsys):
    (tmp_path / "mine.py").write_text(CLAIM_OF_ONES_OWN)
    assert claims(str(tmp_path / "mine.py"), f"--out={tmp_path / 'out'}") == 2
    assert "is made for no landscapes, expected --config" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("folds", "code", "message"),
    [("{0},nowhere", 1, "nowhere is not a folder"), ("{0},{0}", 2, "another folder for each fold")],
)
def test_all_folds_are_looked_at_before_the_first_run(
    tmp_path, stand_in, synthetic_shards, capsys, folds, code, message
):
    shards = folds.format(synthetic_shards)
    assert claims("temporal_fusion", f"--config={TREESAT}", f"--shards={shards}", f"--out={tmp_path}") == code
    assert message in capsys.readouterr().err
    assert not list(tmp_path.rglob("log.txt"))


def test_another_plan_does_not_go_on_in_the_folder_of_one(tmp_path, stand_in, capsys):
    claims("temporal_fusion", f"--out={tmp_path}", "--folds=2")
    assert claims("temporal_fusion", f"--out={tmp_path}", "--folds=3") == 1
    assert "was begun with folds" in capsys.readouterr().err


def test_a_signal_ends_the_runs_and_the_same_command_goes_on(tmp_path, stand_in):
    script = tmp_path / "claims.py"
    script.write_text(
        "import sys\nfrom mmae_jax.commands import claims\nfrom mmae_jax.launch import child\n"
        f"child.PROGRAM = (sys.executable, {str(stand_in)!r})\nclaims.TILES = 16\n"
        "from mmae_jax.command_line.program import main\n"
        f"sys.exit(main(['claims', 'temporal_fusion', '--out={tmp_path / 'out'}', '--folds=2', '--processes=2']))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(runs.ROOT), "STAND_IN_SECONDS": "60"}
    process = subprocess.Popen([sys.executable, str(script)], env=environment, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "out").glob("*/*/*/*/log.txt"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.5)  # both stand-ins listen
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 75, error.decode()[-2000:]
    environment["STAND_IN_SECONDS"] = "0"
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True)
    assert done.returncode == 1, done.stderr.decode()[-2000:]
    assert json.loads((tmp_path / "out/temporal_fusion/order_tells/finding.json").read_text())["compared"]

import json

import pytest

from mmae_jax.train.monitor import goodput
from mmae_jax.train.monitor.goodput import Goodput, Share, share


def start(time, step, phase="pretrain"):
    return {"time": time, "phase": phase, "event": "start", "step": step}


def steps(time, step, stepping, phase="pretrain"):
    return {"time": time, "phase": phase, "event": "steps", "step": step, "stepping": stepping}


def test_undisturbed_run():
    entries = [start(1000, 0), steps(1030, 10, 20), steps(1050, 20, 38)]
    assert share(entries, 1060) == Share(38, 50, 60)
    assert share(entries, 1060).scalars() == {"goodput_%": pytest.approx(63.333333), "goodput_running_%": 76}


def test_steps_after_the_checkpoint_of_the_next_session_do_not_count():
    entries = [start(0, 0), steps(30, 10, 20), steps(50, 20, 38), start(100, 10), steps(130, 20, 25)]
    assert share(entries, 140) == Share(20 + 25, 50 + 30, 140)


def test_repeated_restarts_from_the_same_checkpoint():
    entries = [start(0, 0), steps(10, 5, 9), steps(20, 9, 17)]
    entries += [start(30, 5), steps(35, 8, 4)]
    entries += [start(40, 5), steps(45, 7, 3)]
    entries += [start(50, 0), steps(60, 5, 8)]
    assert share(entries, 60).stepping == 8, "the last session began anew"
    assert share(entries[:-2], 60).stepping == 9 + 3


def test_phases_are_apart():
    entries = [start(0, 0), steps(10, 6, 9), start(10, 0, "probe"), steps(15, 3, 4, "probe")]
    assert share(entries, 20).stepping == 9 + 4


def test_clock_that_is_set_back_makes_no_share_beyond_all():
    entries = [start(1000, 0), steps(400, 10, 20), start(410, 10), steps(440, 20, 25)]
    assert share(entries, 450) == Share(45, 50, 50)


def test_nothing_yet():
    assert share([], 5).scalars() == {"goodput_%": 0, "goodput_running_%": 0}


def test_killed_session_leaves_what_it_wrote(tmp_path, monkeypatch):
    clock = iter(range(100, 1000, 10))
    monkeypatch.setattr(goodput.time, "time", lambda: next(clock))
    first = Goodput(tmp_path / "run", "pretrain", 0)
    first.record(4, 7.5)
    with (tmp_path / "run" / "goodput.jsonl").open("a") as file:
        file.write('{"time": 12')
    second = Goodput(tmp_path / "run", "pretrain", 4)
    second.record(8, 8)
    assert second.scalars() == {"goodput_%": pytest.approx(15.5 / 40 * 100), "goodput_running_%": 15.5 / 20 * 100}
    lines = [json.loads(line) for line in (tmp_path / "run" / "goodput.jsonl").read_text().splitlines()]
    assert [(line["event"], line["step"]) for line in lines] == [("start", 0), ("steps", 4), ("start", 4), ("steps", 8)]


def test_other_hosts_write_nothing(tmp_path):
    account = Goodput(tmp_path / "run", "pretrain", 0, enabled=False)
    account.record(4, 7.5)
    assert account.scalars() == {}
    assert not (tmp_path / "run").exists()

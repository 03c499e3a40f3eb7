"""`bench loop`: the real loop, how long devices waited, and what limits."""

import dataclasses
import json
import re

import pytest

from mmae_jax.bench.loop import Loop, describe
from mmae_jax.command_line.program import main
from tests import runs

FAST = Loop(
    batch_size=4,
    samples_per_second=90.0,
    device_rate=100.0,
    host_waited=0.3,
    goodput=0.5,
    rate=1000.0,
    stages={
        "read": 1.0,
        "decode": 6.0,
        "crop, dates, augment": 2.0,
        "batch": 0.5,
        "transfer": 0.1,
        "whole pipeline": 10.0,
    },
    read=2e6,
    workers=3,
)


def test_the_loop_is_measured_and_written(synthetic_shards, monkeypatch, tmp_path, capsys):
    runs.only_one_device(monkeypatch)
    monkeypatch.setattr("mmae_jax.bench.loop.new_params", runs.constant_params)
    file = tmp_path / "loop.json"
    arguments = (f"--config={runs.CONFIG}", f"--shards={synthetic_shards}", "--phase=probe", "--steps=4", "--samples=4")
    assert main(["bench", "loop", *arguments, f"--json={file}"]) == 0
    text = capsys.readouterr().out
    for name in ("samples/s", "devices waited", "read", "decode", "transfer", "whole pipeline"):
        assert re.search(rf"^  {name}.*\d", text, re.MULTILINE), name
    content = json.loads(file.read_text())
    found = content["found"]
    assert (content["what"], found["phase"], found["batch_size"], found["steps"]) == ("loop", "probe", 4, 4)
    assert found["samples_per_second"] > 0
    assert 0 <= found["host_waited"] < 1
    assert 0 < found["goodput"] < 1
    assert found["rate"] == found["device_rate"]
    assert found["cores"] == pytest.approx(found["rate"] * found["stages"]["whole pipeline"] / 1000)
    assert found["limit"] in (*found["stages"], "devices", "what the program does between steps")


def test_the_slowest_component_limits_where_devices_wait():
    assert FAST.device_waited == pytest.approx(0.1)
    assert FAST.limit == "decode"
    assert FAST.cores("whole pipeline") == pytest.approx(10)
    assert dataclasses.replace(FAST, host_waited=0.01).limit == "what the program does between steps"
    assert dataclasses.replace(FAST, samples_per_second=99).limit == "devices"
    assert dataclasses.replace(FAST, samples_per_second=101).device_waited == 0
    text = describe("title", FAST)
    assert "180.0 MB/s of records" in text
    assert re.search(r"decode +6\.000 +166\.7 +333\.3 +6\.00\n", text)
    assert "read by 3 reader processes" in text


@pytest.mark.parametrize("option", ["--steps=1", "--samples=0", "--rate=-1"])
def test_mistakes_are_one_line(option, tmp_path, capsys):
    assert main(["bench", "loop", f"--config={runs.CONFIG}", f"--shards={tmp_path}", option]) == 2
    assert option.partition("=")[0] in capsys.readouterr().err

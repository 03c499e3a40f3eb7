import io
import json
import math
import struct
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from absl import logging
from tensorboardX.proto.event_pb2 import Event

from mmae_jax.spec import SpecError
from mmae_jax.train.monitor import terminal
from mmae_jax.train.monitor.log import RunLog, read_entries
from tests.places import ROOT


def train(log: RunLog, steps: range) -> None:
    """Logs two numbers a step and an evaluation every fourth."""
    for step in steps:
        log.scalars(step, step // 4, "train", {"loss": 1 / step, "lr": 1e-5 * step}, {"samples/s": 1e3 / len(steps)})
        if step % 4 == 0:
            log.scalars(step, step // 4, "val", {"tree/weighted_f1": step / 100})
        log.progress(step)


def events(workdir: Path, phase: str) -> list[Event]:
    """Reads TensorBoard files: records of length, checksum, event, checksum."""
    found = []
    for file in sorted((workdir / "tensorboard" / phase).iterdir()):
        data = file.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            found.append(Event.FromString(data[12 : 12 + length]))
            data = data[16 + length :]
    return found


def scalars(workdir: Path, phase: str) -> list[tuple[int, str, float]]:
    return [
        (e.step, v.tag, v.simple_value) for e in events(workdir, phase) for v in e.summary.value if not v.image.height
    ]


def test_entries_say_where_they_belong(tmp_path):
    with RunLog(tmp_path / "run", "pretrain") as log:
        log.scalars(120, 3, "train", {"loss": np.float32(0.5), "lr": 1e-5}, {"samples/s": 321.0})
    assert read_entries(tmp_path / "run") == [
        {"phase": "pretrain", "step": 120, "epoch": 3, "split": "train", "loss": 0.5, "lr": 1e-5}
    ]


def test_values_that_are_not_finite_are_null(tmp_path):
    with RunLog(tmp_path, "probe") as log:
        log.scalars(1, 1, "val", {"iou": math.nan, "loss": math.inf, "f1": 0.25})
    text = (tmp_path / "metrics.jsonl").read_text()
    assert text.count("\n") == 1
    assert "NaN" not in text
    entry = json.loads(text)
    assert (entry["iou"], entry["loss"], entry["f1"]) == (None, None, 0.25)


def test_lines_are_written_at_once(tmp_path):
    log = RunLog(tmp_path, "pretrain")
    log.scalars(1, 0, "train", {"loss": 1.0})
    assert len(read_entries(tmp_path)) == 1
    log.close()


@pytest.mark.parametrize("killed_at", [5, 6, 8, 11])
def test_interrupted_and_continued_run_leaves_the_same_file(tmp_path, killed_at):
    for workdir in ("undisturbed", "interrupted"):
        with RunLog(tmp_path / workdir, "pretrain") as log:
            train(log, range(1, 7))
    with RunLog(tmp_path / "undisturbed", "probe", total_steps=12) as log:
        train(log, range(1, 13))

    with RunLog(tmp_path / "interrupted", "probe") as log:
        train(log, range(1, killed_at))
    with (tmp_path / "interrupted" / "metrics.jsonl").open("a") as file:
        file.write('{"phase": "probe", "ste')
    with RunLog(tmp_path / "interrupted", "probe", start_step=4, total_steps=12) as log:
        train(log, range(5, 13))

    files = [(tmp_path / workdir / "metrics.jsonl").read_text() for workdir in ("undisturbed", "interrupted")]
    assert files[0] == files[1]
    assert not list(tmp_path.glob("*/*.tmp"))


def test_phase_that_starts_anew_forgets_only_itself(tmp_path):
    for phase in ("pretrain", "probe"):
        with RunLog(tmp_path, phase) as log:
            log.scalars(0, 0, "val", {"loss": 2.0})
            log.scalars(3, 1, "train", {"loss": 1.0})
    RunLog(tmp_path, "probe").close()
    assert [entry["phase"] for entry in read_entries(tmp_path)] == ["pretrain", "pretrain"]


def test_last_line_without_its_end_is_kept_whole(tmp_path):
    (tmp_path / "metrics.jsonl").write_text(
        '{"phase": "pretrain", "step": 1, "epoch": 0, "split": "train", "loss": 1.0}'
    )
    with RunLog(tmp_path, "pretrain", start_step=1) as log:
        log.scalars(2, 0, "train", {"loss": 0.5})
    assert [entry["loss"] for entry in read_entries(tmp_path)] == [1.0, 0.5]


def test_broken_line_in_the_middle_is_an_error_that_names_it(tmp_path):
    ours = '{"phase": "probe", "step": 1, "split": "train"}'
    (tmp_path / "metrics.jsonl").write_text(f'{ours}\n{{"phase\n{ours}\n')
    with pytest.raises(ValueError, match="line 2"):
        RunLog(tmp_path, "pretrain")


def test_no_file_has_no_entries(tmp_path):
    assert read_entries(tmp_path) == []


def test_only_the_enabled_host_writes(tmp_path):
    with RunLog(tmp_path / "run", "pretrain", enabled=False) as log:
        train(log, range(1, 5))
        log.image(1, "val/s2", np.zeros((4, 4, 3), np.uint8))
    assert not (tmp_path / "run").exists()


def test_log_lines_can_be_grepped(tmp_path, monkeypatch):
    lines = []
    monkeypatch.setattr(logging, "info", lambda message, *values: lines.append(message % values))
    with RunLog(tmp_path, "pretrain") as log:
        log.scalars(120, 3, "train", {"loss": 0.43214, "lr": 1.2e-5}, {"samples/s": 321.0})
        log.scalars(120, 3, "val", {"tree/weighted_f1": 0.5})
    assert lines == [
        "pretrain step=120 epoch=3 loss=0.4321 samples/s=321 lr=1.2e-05",
        "pretrain step=120 epoch=3 val/tree/weighted_f1=0.5",
    ]


def test_log_lines_tell_where_the_phase_stands_and_fit_on_a_terminal(tmp_path, monkeypatch):
    lines = []
    monkeypatch.setattr(logging, "info", lambda message, *values: lines.append(message % values))
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(terminal, "time", types.SimpleNamespace(monotonic=lambda: next(clock)))
    numbers = {f"loss/modality_{index}": 0.1 * index for index in range(12)} | {"loss": 0.5}
    with RunLog(tmp_path, "pretrain", total_steps=300, epochs=30) as log:
        for step in (1, 2):
            log.progress(step)
        log.scalars(2, 1, "train", numbers)
        log.scalars(2, 1, "val", numbers)
    assert lines[0].startswith("pretrain step=2/300 epoch=1/30 eta=0:49:40 loss=0.5 loss/modality_0=0 ")
    assert lines[0].endswith(" …")
    assert max(map(len, lines)) <= terminal.WIDTH
    assert all(line.startswith("pretrain step=2/300 epoch=1/30 val/loss") for line in lines[1:])
    assert sum(line.count("=") - 2 for line in lines[1:]) == len(numbers)


def test_tensorboard_has_scalars_and_images_and_is_told_to_forget(tmp_path):
    with RunLog(tmp_path, "pretrain") as log:
        train(log, range(1, 6))
        log.image(5, "val/s2", np.full((4, 6, 3), 255, np.uint8))
    with RunLog(tmp_path, "pretrain", start_step=4) as log:
        train(log, range(5, 7))
    logged = scalars(tmp_path, "pretrain")
    assert (4, "val/tree/weighted_f1", pytest.approx(0.04)) in logged
    assert (6, "train/loss", pytest.approx(1 / 6)) in logged
    assert any(tag == "train/samples/s" for _, tag, _ in logged)
    (image,) = [v.image for e in events(tmp_path, "pretrain") for v in e.summary.value if v.image.height]
    assert (image.height, image.width) == (4, 6)
    assert [e.step for e in events(tmp_path, "pretrain") if e.HasField("session_log")] == [0, 5]


def test_bar_is_quiet_where_stderr_is_no_terminal(tmp_path, capsys):
    with RunLog(tmp_path, "pretrain", total_steps=4) as log:
        train(log, range(1, 5))
    assert "step/s" not in capsys.readouterr().err


def test_bar_shows_rate_and_remaining_time_on_a_terminal(tmp_path, monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    with RunLog(tmp_path, "pretrain", start_step=2, total_steps=4) as log:
        train(log, range(3, 4))
        log._bar.refresh()
    assert "pretrain:  75%" in terminal.getvalue()
    assert "step/s" in terminal.getvalue()


def test_no_second_framework_is_loaded(tmp_path):
    script = f"""
import sys
from mmae_jax.train.monitor.log import RunLog
with RunLog({str(tmp_path)!r}, "pretrain") as log:
    log.scalars(1, 1, "train", {{"loss": 1.0}})
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


@pytest.mark.parametrize("line", ['{"step": 1}', "3", "[" * 5000, "\\xff"])
def test_line_that_is_none_of_ours_is_named(tmp_path, line):
    (tmp_path / "metrics.jsonl").write_text(f"{line}\n" + '{"phase": "pretrain", "step": 1, "split": "train"}\n')
    with pytest.raises(SpecError, match=r"metrics.jsonl, line 1: expected (a JSON object|the field 'phase')"):
        read_entries(tmp_path)

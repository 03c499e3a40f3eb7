"""`bench train`: the step on the devices at hand, its record, and sweeps over batch sizes and choices of the model."""

import dataclasses
import json
import re
from pathlib import Path

import jax
import numpy as np
import pytest

from mmae_jax.bench import record
from mmae_jax.bench.compile.measurement import DoesNotFitError
from mmae_jax.bench.train import command, sweep
from mmae_jax.bench.train.inputs import random_batch
from mmae_jax.bench.train.measurement import Measurement, Memory, Speed
from mmae_jax.bench.train.start import Start
from mmae_jax.command_line.config_file import load_experiment
from mmae_jax.command_line.program import main
from mmae_jax.data.abstract import abstract_batch
from tests import runs

CONFIGS = [f"{path}:runlocal" for path in sorted((runs.ROOT / "configs").glob("[fpt]*.py"))]


@pytest.fixture
def one_device(monkeypatch):
    """Parameters are not drawn, which takes longer than all the rest; `bench suite` does it in its slow test."""
    runs.only_one_device(monkeypatch)
    monkeypatch.setattr("mmae_jax.bench.train.measurement.new_params", runs.constant_params)


def bench(*arguments: str) -> int:
    return main(["bench", "train", f"--config={runs.CONFIG}", *arguments])


def test_a_step_is_measured_and_written(one_device, tmp_path, capsys):
    file = tmp_path / "results" / "step.json"
    arguments = ("--phase=probe", "--batch=2", "--steps=1", "--date=2026-01-02")
    assert bench(*arguments, f"--json={file}", f"--profile={tmp_path / 'trace'}") == 0
    text = capsys.readouterr().out
    for name in ("import", "draw parameters", "compile", "together", "median, ms", "samples/s", "padding", "peak"):
        assert re.search(rf"^  {name} +", text, re.MULTILINE), name
    assert "of peak: unknown" in text  # of a CPU nothing is published
    content = json.loads(file.read_text())
    assert (content["what"], content["date"], content["hardware"]["platform"]) == ("train", "2026-01-02", "cpu")
    assert {"python", "jax", "jaxlib"} <= set(content["versions"])
    found = content["found"]
    assert (found["phase"], found["batch"], found["devices"], found["padding"]) == ("probe", 2, 1, 0)
    assert found["start"]["seconds"] == pytest.approx(
        sum(found["start"][name] for name in ("importing", "devices", "drawing", "tracing", "compiling", "first_step"))
    )
    speed = found["speed"]
    assert speed["samples_per_second"] == pytest.approx(2 / speed["median"])
    assert len(speed["seconds"]) == 3
    assert speed["flops"] > 1e6
    assert found["memory"]["program"] > 0
    assert list((tmp_path / "trace").rglob("*.xplane.pb"))
    assert sum(found["profile"]["kinds"].values()) == pytest.approx(found["profile"]["seconds"])
    assert found["profile"]["unattributed"] < 0.1


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: Path(config).stem)
def test_random_batches_are_those_of_the_pipeline(config):
    experiment = load_experiment(config)
    batch = random_batch(experiment, 17, runs.one_device())
    found = jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), batch)
    assert found == jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), abstract_batch(experiment, 17))
    assert all(np.asarray(valid).all() for valid in batch["valid"].values())
    for name, values in batch["targets"].items():
        target = experiment.dataset.targets[name]
        assert np.min(values) >= 0
        assert np.max(values) < (2 if target.kind == "multilabel" else target.num_classes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--batch=0"], "--batch: expected 1 or more, found 0"),
        (["--batch", "2", "4"], "--batch, --remat, --attention: expected --sweep with several values"),
        (["--remat=full"], "--batch, --remat, --attention: expected --sweep with several values"),
        (["--steps=-1"], "--steps: expected 0 or more, found -1"),
        (["--sweep", "--steps=0"], "--steps: expected 1 or more, found 0"),
        (["--date=yesterday"], "argument --date: expected YYYY-MM-DD, found 'yesterday'"),
        (["--sweep", "--remat=some"], "model.remat: expected one of"),
    ],
)
def test_mistakes_are_one_line(capsys, arguments, message):
    assert bench(*arguments) == (1 if "model" in message else 2)
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error


def made_up(batch: int, seconds: float) -> Measurement:
    start = Start(1.0, 0.5, 2.0, 1.0, 4.0, 0.5, cached=0, compiled=0)
    return Measurement(batch, 1, start, Memory(None, 1000), 0.0, Speed((seconds,) * 3, 1e12, 1e13), None)


class Device:
    """Stands for a device that has room for `room` samples, twice as many where all is recomputed."""

    def __init__(self, room: int) -> None:
        self.room, self.asked = room, []

    def measure(self, batch, model):
        self.asked.append((batch, model["remat"]))
        if model.get("attention") == "cudnn":
            raise ValueError("Unsupported sequence length Q 225\nand more")
        if batch > self.room * (2 if model["remat"] == "full" else 1):
            if model["remat"] == "dots":
                raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate")
            raise DoesNotFitError("needs 90.0 GB of a device's 80.0 GB")
        return made_up(batch, 0.1 + batch * (0.02 if model["remat"] == "full" else 0.01))


def test_a_sweep_doubles_batches_until_memory_ends():
    device, fields = Device(8), {"remat": ("none", "dots", "full"), "attention": ("xla", "cudnn")}
    trials = list(sweep.sweep(fields, lambda: sweep.doublings(4), device.measure))
    outcome = {(one["remat"], one["attention"], one["batch"]): one.get("refused", "fits") for one in trials}
    assert outcome == {
        ("none", "xla", 4): "fits",
        ("none", "xla", 8): "fits",
        ("none", "xla", 16): "out of memory: needs 90.0 GB of a device's 80.0 GB",
        ("none", "cudnn", 4): "Unsupported sequence length Q 225",
        ("dots", "xla", 4): "fits",
        ("dots", "xla", 8): "fits",
        ("dots", "xla", 16): "out of memory",
        ("dots", "cudnn", 4): "Unsupported sequence length Q 225",
        ("full", "xla", 4): "fits",
        ("full", "xla", 8): "fits",
        ("full", "xla", 16): "fits",
        ("full", "xla", 32): "out of memory: needs 90.0 GB of a device's 80.0 GB",
        ("full", "cudnn", 4): "Unsupported sequence length Q 225",
    }
    best = sweep.best(trials)
    assert (best["batch"], best["remat"]) == (8, "none")
    assert sweep.best([trials[2]]) is None
    lines = [sweep.line(one, fields) for one in trials]
    assert re.fullmatch(r" +4 +none +xla +140\.00 +28\.6 +71\.4% +0\.00", lines[0])
    assert lines[2].endswith("cudnn   Unsupported sequence length Q 225") or "out of memory" in lines[2]


def test_a_sweep_goes_on_where_it_was_cut_off(monkeypatch, tmp_path, capsys):
    device, file = Device(4), tmp_path / "sweep.json"

    def measure(options, batch, model, *, in_full):
        if len(device.asked) == 3:
            raise KeyboardInterrupt
        return device.measure(batch, model)

    monkeypatch.setattr(command, "_measure", measure)
    arguments = (
        "--sweep",
        "--config.pretrain.batch_size=2",
        "--remat",
        "none",
        "full",
        "--attention",
        "xla",
        f"--json={file}",
    )
    assert bench(*arguments) == 130
    assert record.read(file)["what"] == "sweep"
    known = len(record.read(file)["found"]["trials"])
    assert known == 3
    device.asked, before = [None] * 4, len(device.asked)
    assert bench(*arguments) == 0
    assert before == 3
    content = record.read(file)
    assert content["what"] == "train"
    assert [one["batch"] for one in content["found"]["trials"]] == [2, 4, 8, 2, 4, 8, 16]
    assert content["found"]["model.remat"] == "full"
    assert device.asked[4:] == [(2, "full"), (4, "full"), (8, "full"), (16, "full"), (8, "full")]
    assert "best that fits: batch 8, remat full" in capsys.readouterr().out


def test_a_start_sums_its_stages():
    start = made_up(1, 1.0).start
    assert start.seconds == 9
    assert dataclasses.replace(start, importing=None).seconds == 8


def test_records_of_another_kind_are_refused(tmp_path):
    file = tmp_path / "other.json"
    for text in ("{}", "[1]", "no JSON"):
        file.write_text(text)
        with pytest.raises(ValueError, match=r"other\.json: expected"):
            record.read(file)

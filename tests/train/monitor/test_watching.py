"""What is told of a run besides its losses: speed, share of peak, memory, padding, goodput, a trace."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from mmae_jax import parallel
from mmae_jax.data.pipeline import eval_batches
from mmae_jax.data.shards import open_shards
from mmae_jax.train import flops
from mmae_jax.train import phase as phase_module
from mmae_jax.train.monitor import meter as meter_module
from mmae_jax.train.monitor.log import read_entries
from mmae_jax.train.monitor.meter import Meter, peak_flops, peak_memory
from mmae_jax.train.monitor.trace import Trace
from mmae_jax.train.state import Program, begin_phase
from mmae_jax.train.step import train_step
from tests import runs


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(meter_module.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(meter_module, "peak_memory", dict)

    def advance(seconds):
        now[0] += seconds

    return advance


def test_meter(clock):
    meter = Meter(batch_size=12, num_devices=4, step_flops=8e12, peak_flops=4e12)
    clock(50)  # compiles
    meter.step()
    for _ in range(3):
        with meter.waiting():
            clock(0.5)
        clock(1.5)
        meter.step()
        with meter.paused():
            clock(100)
    assert meter.read() == {
        "samples/s": 6,
        "samples/s/chip": 1.5,
        "model_tflops/s/chip": 1,
        "of_peak_%": 25,
        "data_wait_%": 25,
    }
    assert meter.stepping == 6
    clock(1)
    meter.step()
    assert meter.read()["samples/s"] == 12
    assert meter.stepping == 7


def test_meter_says_nothing_of_what_it_does_not_know(clock):
    meter = Meter(12, 1, 8e12, None)
    assert meter.read() == {}
    meter.step()
    assert meter.read() == {}
    clock(2)
    meter.step()
    assert meter.read() == {"samples/s": 6, "samples/s/chip": 6, "model_tflops/s/chip": 4, "data_wait_%": 0}


@dataclasses.dataclass
class Device:
    device_kind: str = "TPU v4"
    stats: dict | None = None

    def memory_stats(self):
        return self.stats


@pytest.mark.parametrize(
    ("kind", "dtype", "configured", "expected"),
    [
        ("TPU v4", "bfloat16", None, 275e12),
        ("TPU v4", "float32", None, 275e12 / 6),
        ("TPU v4", "bfloat16", 100.0, 1e14),
        ("cpu", "bfloat16", None, None),
        ("cpu", "float32", 0.1, 1e11),
    ],
)
def test_peak_is_that_of_the_device_unless_configured(synthetic_shards, monkeypatch, kind, dtype, configured, expected):
    monkeypatch.setattr(jax, "devices", lambda: [Device(kind)])
    experiment = runs.tiny(synthetic_shards, model__dtype=dtype, logging__peak_tflops=configured)
    assert peak_flops(experiment) == expected


def test_memory_is_that_of_the_fullest_device(monkeypatch):
    devices = [Device(stats={"peak_bytes_in_use": gib * 2**30}) for gib in (1, 3)] + [Device(stats={"bytes_in_use": 9})]
    monkeypatch.setattr(jax, "local_devices", lambda: devices)
    assert peak_memory() == {"device_memory_GiB": 3}


def test_memory_is_left_out_where_it_is_not_told(monkeypatch):
    monkeypatch.setattr(jax, "local_devices", lambda: [Device()])
    assert peak_memory() == {}


def test_padding_is_the_share_of_tokens_of_missing_dates(tiny_experiment):
    program, mesh = Program(tiny_experiment, "pretrain", 6), runs.one_device()
    with eval_batches(tiny_experiment, 4, ("train",), open_shards(tiny_experiment)) as batches:
        batch = next(batches)
    inputs = tiny_experiment.inputs
    per_date = {name: modality.num_tokens / modality.num_dates for name, modality in inputs.items()}
    for valid in batch["valid"].values():
        valid[:] = True
    batch["valid"]["s2"][0, 1] = False
    batch["valid"]["s1_asc"][2:] = False
    missing = 1 * per_date["s2"] + 2 * inputs["s1_asc"].num_dates * per_date["s1_asc"]
    total = 4 * sum(modality.num_tokens for modality in inputs.values())
    state = begin_phase(program, runs.random_params(tiny_experiment, mesh), mesh)
    _, scalars = train_step(program, state, parallel.to_devices(batch, mesh))
    np.testing.assert_allclose(scalars["padding_%"], 100 * missing / total, rtol=1e-5)


def test_speed_is_beside_the_metrics(finished_run, tiny_experiment):
    speed = [json.loads(line) for line in (finished_run / "speed.jsonl").read_text().splitlines()]
    steps = [entry for entry in speed if "samples/s" in entry]
    assert {entry["phase"] for entry in steps} == {"pretrain", "probe", "finetune"}
    for entry in steps:
        program = Program(tiny_experiment, entry["phase"], 6)
        per_sample = flops.step_flops(program, runs.one_device()) / tiny_experiment.phase(entry["phase"]).batch_size
        assert entry["model_tflops/s/chip"] == pytest.approx(entry["samples/s/chip"] * per_sample / 1e12)
        assert 0 <= entry["data_wait_%"] <= 100
        assert "of_peak_%" not in entry, "nothing is published of this device"
    ends = [entry for entry in speed if "goodput_%" in entry]
    assert [(entry["phase"], entry["step"]) for entry in ends] == [(p, 6) for p in ("pretrain", "probe", "finetune")]
    assert all(0 < entry["goodput_%"] <= entry["goodput_running_%"] <= 100 for entry in ends)
    assert not any("samples/s" in entry for entry in read_entries(finished_run))
    assert all("padding_%" in entry for entry in read_entries(finished_run) if entry["split"] == "train")


def test_trace_of_some_steps_is_written_once(scripted, synthetic_shards, tmp_path, monkeypatch):
    events = []
    monkeypatch.setattr(jax.profiler, "start_trace", lambda folder: events.append(("start", folder)))
    monkeypatch.setattr(jax.profiler, "stop_trace", lambda: events.append(("stop", (tmp_path / "profile").mkdir())))
    step = scripted._train_step

    def counted(program, state, batch):
        events.append((program.phase, int(state.step) + 1))
        return step(program, state, batch)

    scripted.setattr(phase_module, "train_step", counted)
    runs.run(runs.tiny(synthetic_shards, ("s1_asc",), phases=("pretrain", "probe"), profile=(2, 3)), tmp_path)
    steps = [(phase, step) for phase in ("pretrain", "probe") for step in range(1, 7)]
    assert events == [steps[0], ("start", str(tmp_path / "profile")), *steps[1:4], ("stop", None), *steps[4:]]


def test_trace_of_a_short_run_is_ended(scripted, synthetic_shards, tmp_path):
    runs.run(runs.tiny(synthetic_shards, ("s1_asc",), phases=("pretrain",), profile=(5, 100)), tmp_path)
    assert list((tmp_path / "profile").rglob("*.xplane.pb"))


def test_only_the_first_process_traces(monkeypatch, tmp_path):
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    monkeypatch.setattr(jax.profiler, "start_trace", lambda _: pytest.fail("traced"))
    with Trace(tmp_path, (1, 2), 0) as trace:
        trace.before(1, None)

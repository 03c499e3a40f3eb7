"""`bench report`: the page about speed says what the records say, and is up to date."""

import json
import re

import pytest

from mmae_jax.command_line.program import main
from tests.places import ROOT

GPU = {"platform": "gpu", "kind": "NVIDIA H200", "devices": 1, "cores": 16}
CPU = {"platform": "cpu", "kind": "cpu", "devices": 1, "cores": 2}
PROFILE = {
    "seconds": 0.2,
    "parts": {"joint": {"forward": 0.05, "backward": 0.1, "recomputed": 0.04}, "no part": {"forward": 0.01}},
    "kinds": {"matrix products": 0.2},
    "counts": {"matrix products": 40.0},
    "unattributed": 0.05,
    "idle": 0.01,
}
START = {"importing": 5.0, "devices": 4.0, "drawing": 3.0, "tracing": 2.0, "compiling": 40.0, "first_step": 1.0}
TRIALS = [
    {"batch": 64, "remat": "none", "seconds": 0.1, "samples_per_second": 640.0, "of_peak": 0.3, "program": 4e10},
    {"batch": 128, "remat": "none", "refused": "out of memory"},
]


def step(rate: float, **more) -> dict:
    speed = {"median": 64 / rate, "samples_per_second": rate, "of_peak": 0.27}
    return {"config": "configs/flair_hub.py", "overrides": [], "phase": "pretrain", "batch": 64, "speed": speed} | more


@pytest.fixture
def write(tmp_path):
    def write(name, what, found, hardware=GPU, date="2026-01-02"):
        content = {"format": 1, "what": what, "date": date, "command": f"python -m mmae_jax bench {what} {name}"}
        content |= {"versions": {"python": "3.12.1", "jax": "0.11.2"}, "hardware": hardware, "found": found}
        (tmp_path / f"{name}.json").write_text(json.dumps(content))

    return write


def report(folder, capsys) -> str:
    assert main(["bench", "report", str(folder)]) == 0
    return capsys.readouterr().out


def test_ratios_come_first_and_of_the_fastest(tmp_path, write, capsys):
    write("slow", "train", step(308.0))
    write("fast", "train", step(924.0, overrides=["--config.model.remat=none", "--config.compilation_cache=DIR"]))
    write("laptop", "train", step(5000.0), CPU)
    for name, rate in (("PyTorch", 231.0), ("PyTorch, fused attention", 462.0)):
        write(name.replace(", ", "_"), "reference", step(rate, implementation=name))
    text = report(tmp_path, capsys)
    assert re.findall("^## (.*)$", text, re.MULTILINE)[0] == "Ratios"
    assert "| times PyTorch | times PyTorch, fused attention | record |" in text
    rows = [
        line for line in text.splitlines() if line.startswith("| flair_hub pretrain model.remat=none | NVIDIA H200")
    ]
    assert "| 924 | 27.0% | 4.00 | 2.00 | [3](#how-each-was-measured) |" in rows[0]
    assert "| *PyTorch*, flair_hub pretrain | NVIDIA H200 | 64 |" in text
    assert "| flair_hub pretrain | 2 CPU cores |" in text
    assert (
        "2026-01-02, NVIDIA H200, 16 CPU cores, python 3.12.1, jax 0.11.2: `python -m mmae_jax bench train fast`"
        in text
    )


def test_everything_a_bench_writes_is_shown(tmp_path, write, capsys):
    start = START | {"seconds": 55.0, "cached": 3, "compiled": 1}
    found = {"start": start, "memory": {"peak": 4e10, "program": 3e10}, "padding": 0.125, "profile": PROFILE}
    write("full", "train", step(600.0, **found, trials=TRIALS))
    write("first", "train", step(1.0, speed=None, start=start | {"importing": None, "cached": 0, "compiled": 0}))
    stages = {"read": 1.0, "decode": 2.0, "crop, dates, augment": 3.0, "batch": 4.0, "whole pipeline": 10.0}
    loop = {"samples_per_second": 500.0, "device_rate": 600.0, "device_waited": 1 / 6, "limit": "decode", "read": 2e6}
    write("loop", "loop", {"config": "configs/flair_hub.py", "phase": "pretrain", "stages": stages} | loop)
    data = {"pipeline": 10.0, "stages": stages, "stored": 2.4e6, "ratio": None}
    write("data", "data", {"config": "configs/flair_hub.py"} | data)
    shape = {"length": 225, "heads": 16, "width": 32, "uses": ["treesatai_ts decoder_aerial"]}
    kernel = {"shape": shape, "kernel": "cudnn", "seconds": 2e-3, "agrees": True, "refused": ""}
    refused = kernel | {"refused": "Unsupported sequence length", "seconds": None}
    write("attention", "attention", {"batch": 64, "rows": [kernel, refused]})
    (tmp_path / "notes.md").write_text("A wheel with corners was slower.\n")
    text = report(tmp_path, capsys)
    for row in (
        "| 64 | 106.7 | 600.0 | 27.0% | 40.0 | 12.5% |",
        "| 5.0 | 4.0 | 3.0 | 2.0 | 40.0 | 1.0 | 55.0 | 3 of 4 |",
        "| – | 4.0 | 3.0 | 2.0 | 40.0 | 1.0 | 55.0 | no cache |",
        "| joint | 190.00 | 95.0% | 50.00 | 100.00 | 40.00 |",
        "| matrix products | 200.00 | 100.0% | 40 |",
        "| 128 | none | – | out of memory |",
        "| 500.0 | 600.0 | 16.7% | decode | 1000.0 | 10.00 | 6.0 |",
        "| 100.0 | 1.00 | 2.00 | 3.00 | 4.00 | 2.40 | – |",
        "| 64 × 225 × 16 × 32 | cudnn | 2.000 | yes | treesatai_ts decoder_aerial |",
        "| 64 × 225 × 16 × 32 | cudnn | Unsupported sequence length |  | treesatai_ts decoder_aerial |",
        "A wheel with corners was slower.",
    ):
        assert row in text, row


def test_what_is_no_record_is_named(tmp_path, capsys):
    (tmp_path / "other.json").write_text("{}")
    assert main(["bench", "report", str(tmp_path)]) == 1
    assert main(["bench", "report", str(tmp_path / "absent")]) == 1
    error = capsys.readouterr().err
    assert "other.json: expected a record" in error
    assert "absent: expected a folder of records" in error


def test_the_page_is_up_to_date(tmp_path):
    page = tmp_path / "speed.md"
    assert main(["bench", "report", str(ROOT / "docs" / "speed"), f"--page={page}"]) == 0
    assert page.read_text() == (ROOT / "docs" / "speed.md").read_text()

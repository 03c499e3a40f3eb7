"""Whatever stops a run, `out_dir` is absent or complete, and the next run continues."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from data_prep.__main__ import main
from data_prep.shards.output import Output
from tests.places import ROOT


def interrupt_at(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Interrupts instead of the `number`-th file or folder that gets its final name."""
    left = [number]
    for name in ("replace", "rename"):
        genuine = getattr(Path, name)

        def give_name(path: Path, target: Path, genuine: object = genuine) -> object:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
            return genuine(path, target)

        monkeypatch.setattr(Path, name, give_name)


@pytest.mark.parametrize("number", range(9))  # settings, three times report and shard, manifest, out_dir
def test_interrupted_at_any_file_it_continues(raw, prepare, tmp_path, monkeypatch, number):
    out, partial = tmp_path / "out", tmp_path / "out.partial"
    with monkeypatch.context() as context:
        interrupt_at(context, number)
        code, printed = prepare(raw)
    assert code == 130, printed
    assert not out.exists()
    assert not list((partial / "work").iterdir())
    finished = {path.name: path.stat().st_ino for path in (partial / "data").glob("*array_record*")}
    assert len(finished) == min(3, max(0, number - 1) // 2)
    code, printed = prepare(raw)
    assert code == 0, printed
    assert {name: (out / name).stat().st_ino for name in finished} == finished  # nothing is done twice
    assert main(["verify", str(out)]) == 0
    assert not partial.exists()


def test_a_folder_another_process_writes_to_is_refused(raw, prepare, tmp_path):
    with Output(tmp_path / "out").exclusive():
        code, printed = prepare(raw)
        assert code == 1
        assert f"error: {tmp_path / 'out.partial'}: another process is writing to it" in printed
    code, printed = prepare(raw)
    assert code == 0, printed


def test_of_two_processes_at_once_one_writes(synthetic_raw, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "data_prep", "treesatai_ts", f"--raw_dir={synthetic_raw}", f"--out_dir={out}"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    running = [subprocess.Popen(command, cwd=ROOT, text=True, **pipes) for _ in range(2)]
    errors = [process.communicate()[1] for process in running]
    (error,) = (text for text in errors if "100%" not in text)
    refused = "another process is writing to it" in error or f"{out} exists already" in error
    assert refused or "was finished before" in error, errors
    assert sorted(process.returncode for process in running) == [0, int(refused)], errors
    assert main(["verify", str(out)]) == 0


@pytest.mark.parametrize("part", ["reports", "data"])
def test_a_damaged_report_or_shard_is_written_again(raw, prepare, tmp_path, monkeypatch, part):
    with monkeypatch.context() as context:
        interrupt_at(context, 7)  # settings and three shards with their reports are there
        assert prepare(raw)[0] == 130
    path = min((tmp_path / "out.partial" / part).glob("*array_record*"))
    os.truncate(path, path.stat().st_size // 2)
    code, printed = prepare(raw)
    assert code == 0, printed
    assert "2 of 3 shards were finished before" in printed
    assert main(["verify", str(tmp_path / "out")]) == 0


def test_damaged_settings_are_named(raw, prepare, tmp_path, monkeypatch):
    with monkeypatch.context() as context:
        interrupt_at(context, 3)
        assert prepare(raw)[0] == 130
    path = tmp_path / "out.partial" / "settings.json"
    path.write_text(path.read_text()[:10])
    code, printed = prepare(raw)
    assert code == 1
    assert f"error: {path}: cannot be read" in printed


def test_other_options_do_not_continue(raw, prepare, monkeypatch):
    for split in ("train", "val", "test"):
        (raw / f"{split}_filtered_10.csv").write_text((raw / f"{split}.csv").read_text())
    with monkeypatch.context() as context:
        interrupt_at(context, 3)
        assert prepare(raw)[0] == 130
    code, printed = prepare(raw, "--filter_percent=10")
    assert code == 1
    assert "was begun with options {'filter_percent': None}, now {'filter_percent': 10}" in printed


@pytest.mark.parametrize("size", [10, 100_000, 1_000_000])
def test_a_disk_that_is_full_at_any_file_is_one_line_and_the_run_continues(raw, prepare, tmp_path, size):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        code, printed = prepare(raw)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert code == 1
    assert "\nerror: " in f"\n{printed}"
    assert "Traceback" not in printed
    assert not list((tmp_path / "out.partial" / "work").iterdir())  # what would keep the disk full
    code, printed = prepare(raw)
    assert code == 0, printed


def test_a_place_that_cannot_be_written_is_one_line(synthetic_raw, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    out = tmp_path / "file" / "out"
    assert main(["treesatai_ts", f"--raw_dir={synthetic_raw}", f"--out_dir={out}"]) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1
    assert str(out) in printed

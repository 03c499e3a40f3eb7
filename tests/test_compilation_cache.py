"""Compiled programs are found again by the next process, and nothing stops a run where they cannot be kept."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import pytest

from mmae_jax.compilation_cache import FOLDER, kept_programs
from tests import compilation, runs

# Runs an experiment up to its first step, and prints what was looked up in the cache and what was compiled.
TO_FIRST_STEP = """
import collections, json, os, sys
import jax
from mmae_jax.train import loop, phase
from tests import compilation, runs
events = collections.Counter()
jax.monitoring.register_event_listener(lambda event, **_: events.update([event.rpartition("/")[2]]))
def stop_after(program, state, batch):
    jax.block_until_ready(step(program, state, batch))
    print(json.dumps([events["compile_requests_use_cache"], events["cache_hits"]]), flush=True)
    os._exit(0)
step, phase.train_step = phase.train_step, stop_after
loop.run(runs.tiny(sys.argv[1], ("s1_asc",)), sys.argv[2])
"""


def looked_up(shards: Path, workdir: Path) -> tuple[int, int]:
    """Starts a process that runs until its first step; returns the programs it asked for, and those it found."""
    settings = (compilation.FOLDER, compilation.MIN_SECONDS)  # which a user need not know
    environment = {name: value for name, value in compilation.environment().items() if name not in settings}
    command = [sys.executable, "-c", TO_FIRST_STEP, str(shards), str(workdir)]
    options: dict[str, Any] = {"env": environment, "cwd": runs.ROOT}
    asked, found = json.loads(subprocess.run(command, **options, stdout=subprocess.PIPE, check=True).stdout)
    return asked, found


def test_second_process_compiles_nothing(synthetic_shards, tmp_path):
    asked, found = looked_up(synthetic_shards, tmp_path)
    assert asked > 0
    assert found == 0
    assert looked_up(synthetic_shards, tmp_path) == (asked, asked)
    assert list((tmp_path / FOLDER).glob("*-cache"))


@pytest.fixture
def no_cache():
    """As a process starts: JAX is told of no folder."""
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", None)
    yield
    jax.config.update("jax_compilation_cache_dir", before)


@pytest.mark.usefixtures("no_cache")
def test_folder_by_default_and_by_name(tiny_experiment, tmp_path):
    with kept_programs(tiny_experiment, tmp_path):
        assert jax.config.jax_compilation_cache_dir == str(tmp_path / FOLDER)
    named = dataclasses.replace(tiny_experiment, compilation_cache=str(tmp_path / "elsewhere"))
    with kept_programs(named, tmp_path):
        assert jax.config.jax_compilation_cache_dir == named.compilation_cache
    assert jax.config.jax_compilation_cache_dir is None


def test_folder_that_jax_was_told_stays(tiny_experiment, tmp_path):
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "told"))
    with kept_programs(tiny_experiment, tmp_path / "workdir"):
        assert jax.config.jax_compilation_cache_dir == str(tmp_path / "told")
    jax.config.update("jax_compilation_cache_dir", before)


@pytest.mark.usefixtures("no_cache")
@pytest.mark.parametrize("folder", ["file/below", "nosuchscheme://bucket"])
def test_folder_that_cannot_be_written_is_left_out(tiny_experiment, tmp_path, folder, caplog):
    (tmp_path / "file").write_text("")
    name = folder if "://" in folder else str(tmp_path / folder)
    with kept_programs(dataclasses.replace(tiny_experiment, compilation_cache=name), tmp_path):
        assert jax.config.jax_compilation_cache_dir is None
    assert f"{folder}: no compiled programs are kept there" in caplog.text

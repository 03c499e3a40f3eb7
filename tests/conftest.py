"""Eight virtual CPU devices, strict shapes, and warnings that fail."""

# ruff: noqa: E402

from tests import compilation

compilation.set_up()  # before JAX is imported

import gc
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import pytest
from filelock import FileLock

from mmae_jax import spec
from mmae_jax.command_line.program import GC_THRESHOLD
from tests import runs

jax.config.update("jax_numpy_rank_promotion", "raise")
gc.set_threshold(GC_THRESHOLD)

FIRST = ("train/test_resume.py", "data_prep/test_whole_way.py", "commands/test_quickstart.py")
"""Files that begin the work of a test run: the longest, and that which makes the finished run which others read. While
one worker makes it, the other has a file that needs none, and a run does not end with one of them on one worker."""
Once = Callable[[str, Callable[[Path], object]], Path]
GOLDEN = Path(__file__).parent / "golden"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sorts the files of `FIRST` before all others."""
    places = {Path(__file__).parent / name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: places.get(item.path, len(FIRST)))


@pytest.fixture(scope="session")
def golden_dir() -> Path:
    return GOLDEN


@pytest.fixture(scope="session")
def real_treesat_dir() -> Path:
    """Real TreeSatAI-TS tiles in the published layout; not part of the project, tests that need them are skipped."""
    directory = Path(__file__).parents[2] / "shared" / "samples" / "treesatai_ts"
    if not directory.is_dir():
        pytest.skip("real TreeSatAI-TS tiles are not here")
    return directory


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Returns a function of a name and of what fills a folder: the folder, filled by the first process that asks."""
    of_all_workers = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        of_all_workers = of_all_workers.parent

    def filled(name: str, fill: Callable[[Path], object]) -> Path:
        folder, done = of_all_workers / name, of_all_workers / f"{name}.done"
        with FileLock(f"{folder}.lock"):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)  # what another worker failed to fill
                folder.mkdir()
                fill(folder)
                done.touch()
        return folder

    return filled


@pytest.fixture(scope="session")
def synthetic_raw(once: Once) -> Path:
    """Made-up raw tiles in the layout of TreeSatAI-TS: 12 train, 3 val, 3 test; 15–25 S2 and 9–15 S1 dates each."""
    flags = ("--tiles=18", "--s2_dates=20", "--s1_dates=12")
    folder = once("raw", lambda folder: _data_prep("synthetic", "treesatai_ts", f"--out_dir={folder / 'raw'}", *flags))
    return folder / "raw"


@pytest.fixture(scope="session")
def synthetic_shards(once: Once, synthetic_raw: Path) -> Path:
    """`synthetic_raw` as two shards per split with their sensor contract."""
    flags = (f"--raw_dir={synthetic_raw}", "--num_shards=2")
    folder = once("shards", lambda folder: _data_prep("treesatai_ts", f"--out_dir={folder / 'shards'}", *flags))
    return folder / "shards"


def _data_prep(*arguments: str) -> None:
    from data_prep.__main__ import main

    assert main(arguments) == 0


@pytest.fixture(scope="session")
def tiny_experiment(synthetic_shards: Path) -> spec.Experiment:
    """Two modalities, 3 steps an epoch, 2 epochs a phase."""
    return runs.tiny(synthetic_shards)


@pytest.fixture(scope="session")
def finished_run(tiny_experiment: spec.Experiment, once: Once) -> Path:
    """A run of `tiny_experiment` through all phases; not to be written to."""

    def fill(folder: Path) -> None:
        jax.clear_caches()  # what other tests compiled would not be counted
        with runs.Compilations() as compiled:
            runs.run(tiny_experiment, folder / "run")
        (folder / "compilations.json").write_text(json.dumps(compiled))

    return once("finished", fill) / "run"


@pytest.fixture(scope="session")
def compilations(finished_run: Path) -> dict[str, int]:
    """How often each function was compiled for `finished_run`."""
    return json.loads(finished_run.with_name("compilations.json").read_text())


@pytest.fixture
def scripted() -> Iterator[runs.Scripted]:
    """Training and evaluation are replaced by something quick with known results."""
    patch = runs.Scripted()
    yield patch
    patch.undo()

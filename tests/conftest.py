"""Eight virtual CPU devices, strict shapes, and warnings that fail."""

# ruff: noqa: E402

from tests import compilation

compilation.set_up()  # before JAX is imported

import gc
from collections.abc import Iterator
from pathlib import Path

import jax
import pytest

from mmae_jax import spec
from mmae_jax.commands.command_line import GC_THRESHOLD
from tests import runs

jax.config.update("jax_numpy_rank_promotion", "raise")
gc.set_threshold(GC_THRESHOLD)

GOLDEN = Path(__file__).parent / "golden"


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
def synthetic_raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up raw tiles in the layout of TreeSatAI-TS: 12 train, 3 val, 3 test; 15–25 S2 and 9–15 S1 dates each."""
    directory = tmp_path_factory.mktemp("synthetic") / "raw"
    _data_prep("synthetic", "treesatai_ts", f"--out_dir={directory}", "--tiles=18", "--s2_dates=20", "--s1_dates=12")
    return directory


@pytest.fixture(scope="session")
def synthetic_shards(synthetic_raw: Path) -> Path:
    """`synthetic_raw` as two shards per split with their sensor contract."""
    directory = synthetic_raw.with_name("shards")
    _data_prep("treesatai_ts", f"--raw_dir={synthetic_raw}", f"--out_dir={directory}", "--num_shards=2")
    return directory


def _data_prep(*arguments: str) -> None:
    from data_prep.__main__ import main

    assert main(arguments) == 0


@pytest.fixture(scope="session")
def tiny_experiment(synthetic_shards: Path) -> spec.Experiment:
    """Two modalities, 3 steps an epoch, 2 epochs a phase."""
    return runs.tiny(synthetic_shards)


@pytest.fixture(scope="session")
def compilations() -> runs.Compilations:
    """What `finished_run` compiled."""
    return runs.Compilations()


@pytest.fixture(scope="session")
def finished_run(
    tiny_experiment: spec.Experiment, compilations: runs.Compilations, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run of `tiny_experiment` through all phases; not to be written to."""
    workdir = tmp_path_factory.mktemp("finished") / "run"
    with compilations:
        runs.run(tiny_experiment, workdir)
    return workdir


@pytest.fixture
def scripted() -> Iterator[runs.Scripted]:
    """Training and evaluation are replaced by something quick with known results."""
    patch = runs.Scripted()
    yield patch
    patch.undo()

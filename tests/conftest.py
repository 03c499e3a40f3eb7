"""Eight virtual CPU devices, strict shapes, and warnings that fail."""

import os

os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"
os.environ.setdefault("JAX_PLATFORMS", "cpu")

from pathlib import Path

import jax
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")

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

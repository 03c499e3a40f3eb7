"""Configs are read in a moment, and without what only data preparation or training need."""

import subprocess
import sys

import pytest

from tests.places import ROOT

CONFIGS = sorted(path.stem for path in (ROOT / "configs").glob("*.py") if path.stem not in ("__init__", "common"))
CONTRACTS = sorted(path.parent.name for path in (ROOT / "data_prep" / "datasets").glob("*/contract.py"))
HEAVY = (
    *("rasterio", "h5py", "tensorflow_datasets", "tensorflow", "array_record", "pyogrio", "laspy"),
    *("apache_beam", "jax", "flax", "grain", "orbax", "scipy", "sklearn"),
)
"""Libraries that no machine needs to read a config."""
MOST_SECONDS = 1.0

SCRIPT = f"""
import sys, time
start = time.process_time()
import {{module}}
seconds = time.process_time() - start
heavy = [name for name in {HEAVY!r} if name in sys.modules]
print(seconds, *heavy)
packages = [name for name, module in sys.modules.items() if hasattr(module, "__path__")]
ours = [name for name in sys.modules if name.startswith(("data_prep", "mmae_jax")) and name not in packages]
print(*ours)
"""


def imported(module: str) -> tuple[float, list[str], set[str]]:
    """Returns processor seconds, the heavy libraries and this project's modules that importing `module` takes."""
    command = [sys.executable, "-c", SCRIPT.format(module=module)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    first, modules = done.stdout.splitlines()
    seconds, *heavy = first.split()
    return float(seconds), heavy, set(modules.split())


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_loads_no_heavy_library_and_takes_less_than_a_second(name):
    seconds, heavy, modules = imported(f"configs.{name}")
    assert not heavy
    assert seconds < MOST_SECONDS
    assert not {module for module in modules if module.endswith((".read", ".synthetic"))}


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_contract_imports_the_specification_and_tables_of_classes_alone(name):
    _, heavy, modules = imported(f"data_prep.datasets.{name}.contract")
    assert not heavy
    others = {module for module in modules if not module.endswith((".contract", ".classes"))}
    assert {module.rpartition(".")[0] for module in others} == {"mmae_jax.spec"}

"""What is said where the libraries of data preparation are not installed."""

import subprocess
import sys

import pytest

from tests.places import ROOT

WITHOUT = """
import importlib.util, runpy, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *package: None if name == {library!r} else find(name, *package)
sys.modules[{library!r}] = None
runpy.run_module({module!r}, run_name="__main__")
"""


@pytest.mark.parametrize("library", ["rasterio", "h5py"])
def test_preparation_says_which_extra_to_install(library):
    script = WITHOUT.format(library=library, module="data_prep")
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [f"error: data preparation needs {library}: pip install 'mmae_jax[prep]'"]

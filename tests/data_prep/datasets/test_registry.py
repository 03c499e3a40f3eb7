"""Each published dataset is a folder, a config and one line of the registry; only what a command names is imported."""

import argparse
import importlib
import subprocess
import sys

import pytest

from data_prep.__main__ import main
from data_prep.datasets import registry
from data_prep.errors import DataPrepError
from mmae_jax.spec import Dataset
from tests.places import ROOT


def test_every_folder_with_a_contract_is_registered_and_has_a_config():
    folders = {path.parent.name for path in (ROOT / "data_prep" / "datasets").glob("*/contract.py")}
    assert set(registry.DATASETS) == folders
    assert all((ROOT / "configs" / f"{name}.py").is_file() for name in folders)


@pytest.mark.parametrize("name", registry.DATASETS)
def test_a_dataset_keeps_the_conventions(name):
    contract = importlib.import_module(f"data_prep.datasets.{name}.contract").CONTRACT
    assert isinstance(contract, Dataset)
    assert contract.name == name
    parser = argparse.ArgumentParser()
    registry.reader(name).add_arguments(parser)
    options = parser.parse_args([], argparse.Namespace(raw_dir=ROOT))
    assert registry.reader(name).source(options).contract == contract
    registry.writer(name).add_arguments(argparse.ArgumentParser())
    assert callable(registry.writer(name).write)


def test_an_unknown_dataset_is_named_with_those_there_are():
    with pytest.raises(
        DataPrepError, match=r"--dataset: expected a dataset of data_prep \(flair2, .*\), found nothing"
    ):
        registry.open_source("--dataset", "nothing", ROOT)


def test_a_command_imports_no_other_dataset():
    script = """
import sys
from data_prep.__main__ import main
assert main(["treesatai_ts", "--help"]) == 0
print(*(name for name in sys.modules if name.startswith("data_prep.datasets.") and name.endswith(".read")))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].split() == [
        "data_prep.datasets.folder.read",
        "data_prep.datasets.treesatai_ts.read",
    ]


@pytest.mark.parametrize("name", registry.DATASETS)
def test_help_tells_the_options_of_a_dataset(name, capsys):
    for command in ([name], ["synthetic", name]):
        assert main([*command, "--help"]) == 0
        assert "--out_dir" in capsys.readouterr().out

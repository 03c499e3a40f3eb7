"""Made-up patches in the layout of PASTIS-HD, and real metadata."""

import os
import shutil
from pathlib import Path

import pytest

from configs import pastis_hd
from data_prep.__main__ import main
from mmae_jax.config import experiment_from_config
from tests.places import SAMPLES


@pytest.fixture(scope="session")
def made_up(once):
    """Made-up patches of full size with 14 to 22 S2 and 4 to 6 S1 dates: 3 in train, 1 in val, 1 in test."""

    def fill(folder):
        flags = ("--tiles=5", "--s2_dates=18", "--s1_dates=5")
        assert main(["synthetic", "pastis_hd", f"--out_dir={folder / 'raw'}", *flags]) == 0

    return once("pastis_hd_raw", fill) / "raw"


@pytest.fixture(scope="session")
def shards(once, made_up):
    def fill(folder):
        assert main(["pastis_hd", f"--raw_dir={made_up}", f"--out_dir={folder / 'shards'}"]) == 0

    return once("pastis_hd_shards", fill) / "shards"


@pytest.fixture
def raw(made_up, tmp_path):
    """A copy of `made_up` whose files may be replaced or removed, but not written to."""
    return Path(shutil.copytree(made_up, tmp_path / "raw", copy_function=os.link))


@pytest.fixture(scope="session")
def experiment(shards):
    fields = pastis_hd.get_config()
    fields.data.dir = str(shards)
    fields.targets = ("pastis_seg", "pastis_mlc")
    return experiment_from_config(fields)


@pytest.fixture(scope="session")
def real_pastis_dir():
    """Real metadata of a few patches; not part of the project, tests that need them are skipped."""
    directory = SAMPLES / "pastis_hd"
    if not directory.is_dir():
        pytest.skip("real PASTIS-HD metadata are not here")
    return directory

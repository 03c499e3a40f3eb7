"""What is missing is no value: it enters neither contract, nor proposals, nor masks."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from data_prep.datasets.folder.description import Files, Folder, Fractions, check
from data_prep.datasets.folder.snippet import proposed_norm_fac
from data_prep.errors import TileError
from data_prep.readers.values import percents
from mmae_jax.config import to_plain
from mmae_jax.contract.comparison import differences
from mmae_jax.spec import Modality, SpecError

HEIGHT = Modality(("z",), "float32", "m", 10.0, size=8)


def test_a_contract_whose_nodata_is_nan_equals_itself():
    first, second = (dataclasses.replace(HEIGHT, nodata=float("nan")) for _ in range(2))
    assert first == second == HEIGHT
    assert differences(to_plain(first), to_plain(second)) == []


def test_nodata_and_infinity_do_not_propose_norm_fac():
    heights = np.full((1, 1, 8, 8), 290, np.float32)
    heights[..., 0, :] = -9999
    assert proposed_norm_fac([heights], -9999.0) == 300
    heights[..., 0, :] = -np.inf
    heights[..., 1, :] = np.nan
    assert proposed_norm_fac([heights], None) == 300
    assert proposed_norm_fac([np.full((1, 1, 8, 8), np.nan, np.float32)], None) == 1
    assert proposed_norm_fac([np.zeros((1, 1, 8, 8), np.uint16)], 0.0) == 1
    assert proposed_norm_fac([], None) == 1


@pytest.mark.parametrize(("dtype", "nodata"), [("uint8", -9999.0), ("uint16", 0.5), ("int16", math.inf)])
def test_a_nodata_that_no_pixel_can_have_is_refused(dtype, nodata):
    sensor = dataclasses.replace(HEIGHT, dtype=dtype, nodata=nodata)
    folder = Folder("d", 80.0, {"dem": Files("{tile}.tif", sensor, date="20200101")}, Fractions({"train": 1.0}))
    with pytest.raises(SpecError, match=r"modalities.dem.sensor.nodata: expected a value that \w+ can hold, found"):
        check(folder)


def test_a_missing_percent_is_not_clear_sky():
    # resampling overshoots a little
    assert percents(Path("m.tif"), np.array([-0.1, 0, 0.1, 100.4])).tolist() == [0, 0, 1, 100]
    for missing, found in ((np.nan, "nan"), (-1, "-1"), (255, "255")):
        with pytest.raises(TileError, match=f"^m.tif: expected percents, 0 to 100, found {found}$"):
            percents(Path("m.tif"), np.array([0, missing]))

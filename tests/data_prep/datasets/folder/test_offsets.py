"""A series across processing baselines is stored with one offset."""

import numpy as np
import pytest

from data_prep.datasets.folder.description import Files
from data_prep.datasets.folder.offsets import check_offsets, offsets_of, with_one_offset
from mmae_jax.spec import Modality, SpecError

S2 = Modality(("B02",), "uint16", "reflectance", 10.0, size=2, scale=1e-4, nodata=0.0)
FILES = Files("{tile}_{date}.tif", S2, offsets={"2022-01-25": -0.1})


def test_values_of_later_dates_are_moved_and_missing_ones_stay():
    offsets = offsets_of(FILES.sensor, FILES.offsets, [(2021, 300, 0), (2022, 25, 0), (2023, 1, 0)])
    assert offsets == [0.0, -0.1, -0.1]
    pixels = np.array([[[[1500, 0]]], [[[2500, 0]]], [[[900, 65535]]]], np.uint16)
    found = with_one_offset(pixels, S2, offsets)
    assert found.dtype == np.uint16
    assert found.tolist() == [[[[1500, 0]]], [[[1500, 0]]], [[[1, 64535]]]]  # 0 would be nodata
    assert with_one_offset(pixels, S2, [0.0, 0.0, 0.0]) is pixels


def test_floats_keep_what_is_missing():
    sensor = Modality(("z",), "float32", "m", 10.0, size=1, nodata=-9999.0)
    pixels = np.array([[[[np.nan, -9999, 5]]]], np.float32)
    np.testing.assert_array_equal(with_one_offset(pixels, sensor, [2.0]), np.float32([[[[np.nan, -9999, 7]]]]))


@pytest.mark.parametrize("offsets", [{"20220125x": -0.1}, {"2022-02-30": -0.1}, {"2022-01-25": "x"}, {3: 1.0}])
def test_offsets_that_are_none_are_refused(offsets):
    with pytest.raises(SpecError, match=r"modalities\.s2\.offsets: "):
        check_offsets("modalities.s2", S2, offsets)

"""Names of bands are understood in the usual spellings; names that tell nothing contradict nothing."""

import pytest

from data_prep.readers.band_names import contradict

S2, RGB, NRGB, RADAR = ("B02", "B03", "B04"), ("R", "G", "B"), ("NIR", "R", "G", "B"), ("VV", "VH")

THE_SAME = [
    (S2, ("B2", "B3", "B4")),
    (S2, ("blue", "green", "red")),
    (S2, ("S2_B02", "S2_B03", "S2_B04")),
    (S2, ("B2_median", "20200105_B3", "B04_10m")),
    (S2, ("Band 1", "Band 2", "Band 3")),
    (S2, (None, "reflectance", None)),
    (RADAR, ("Sigma0_VV", "Sigma0_VH")),
    (("VV", "VH", "VV-VH"), ("Gamma0_VV_db", "vh", "VV/VH")),
    (("VV", "VH", "VV-VH"), ("VV", "VH", "ratio")),
    (NRGB, ("Infrared", "Red", "Green", "Blue")),
    (RGB, ("B1", "B2", "B3")),
    (("R", "G", "B", "NIR"), ("B04", "B03", "B02", "B08")),
    (("B11", "B12"), ("swir16", "SWIR 2")),
    (("B05", "B06", "B8A"), ("Red Edge 1", "RE2", "narrow NIR")),
    (("red", "nir"), ("SR_B4", "SR_B5")),
    (("B04", "B01"), ("B4 - red (665 nm)", "Coastal aerosol")),
    (("DSM", "DTM"), ("dsm", "dtm")),
    (("B02", "B03", "B04", "B08"), ("B1", "B2", "B3", "B4")),
    (("R", "G", "B", "NIR"), ("Rouge", "Vert", "Bleu", "PIR")),
    (S2, ("S2B2", "S2B3", "S2B4")),
    (("z",), ("elevation",)),
]
ANOTHER = [
    (S2, ("B4", "B3", "B2")),
    (S2, ("Red", "Green", "Blue")),
    (S2, (None, None, "B02")),
    (S2, ("20200105_B4", "20200105_B3", "20200105_B2")),
    (RADAR, ("VH", "VV")),
    (RADAR, ("Sigma0_VH_db", "Sigma0_VV_db")),
    (NRGB, ("Red", "Green", "Blue", "Infrared")),
    (("R", "G", "B", "NIR"), ("B02", "B03", "B04", "B08")),
    (("B08", "B8A"), ("B8A", "B8")),
    (("B11", "B12"), ("SWIR2", "SWIR1")),
    (("B05", "B06"), ("RE2", "RE1")),
    (("red", "nir"), ("SR_B5", "SR_B4")),
    (("B04", "B08"), ("SR_B4", "SR_B5")),
    (("DSM", "DTM"), ("DTM", "DSM")),
    (("R", "G", "B"), ("Bleu", "Vert", "Rouge")),
    (S2, ("S2B4", "S2B3", "S2B2")),
    (RADAR, ("VHdb", "VVdb")),
    (("B02", "B03", "B04", "B05", "B06"), ("B1", "B2", "B3", "B4", "B5")),
]


@pytest.mark.parametrize(("expected", "found"), THE_SAME)
def test_the_same_bands_in_another_spelling(expected, found):
    assert not contradict(expected, found)


@pytest.mark.parametrize(("expected", "found"), ANOTHER)
def test_other_bands(expected, found):
    assert contradict(expected, found)

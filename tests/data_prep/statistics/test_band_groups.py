"""Groups of strongly correlated bands."""

import json
import re

import numpy as np
import pytest

from data_prep.datasets.treesatai_ts.contract import CONTRACT
from data_prep.errors import DataPrepError
from data_prep.statistics.band_groups import group_bands, read_correlation
from data_prep.statistics.figures import dendrogram
from mmae_jax.report import to_rgb

BANDS = CONTRACT.modalities["s2"].bands
PARTS = {"visible": ("B02", "B03", "B04", "B05"), "infrared": ("B06", "B07", "B08", "B8A"), "short": ("B11", "B12")}


def made(bands, within=0.2, seed=0):
    """Correlation of bands that follow their part's brightness, but for some noise."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=5000)
    bright = {part: 0.5 * shared + rng.normal(size=5000) for part in PARTS}
    part_of = {band: part for part, members in PARTS.items() for band in members}
    return np.corrcoef([bright[part_of[band]] + within * rng.normal(size=5000) for band in bands])


@pytest.mark.parametrize("within", [0.1, 0.2, 0.4])
def test_visible_infrared_and_short_wave_bands_are_found(within):
    groups = group_bands(BANDS, made(BANDS, within))
    assert groups.members == tuple(PARTS.values())
    assert groups.norm_bands == [4, 4, 2]
    assert len(groups.heights) == 9


def test_the_stored_order_does_not_matter():
    shuffled = list(np.random.default_rng(1).permutation(BANDS))
    groups = group_bands(shuffled, made(shuffled))
    assert {frozenset(group) for group in groups.members} == {frozenset(part) for part in PARTS.values()}
    order = [band for group in groups.members for band in group]
    assert sorted(order) == sorted(BANDS)


def test_the_proposal_can_be_pasted_into_a_config():
    text = str(group_bands(BANDS, made(BANDS)))
    lines = [line.strip().removesuffix(",") for line in text.splitlines()]
    pasted = dict(line.split("=", 1) for line in lines if line.startswith(("norm_bands", "bands=")))
    assert json.loads(pasted["norm_bands"]) == [4, 4, 2]
    assert json.loads(pasted["bands"]) == [list(part) for part in PARTS.values()]
    assert re.search(r"merges at .*\*.* above the threshold 0\.\d+\)", text)


def test_the_threshold_decides():
    correlation = made(BANDS)
    assert group_bands(BANDS, correlation, 0.001).norm_bands == [1] * 10
    assert group_bands(BANDS, correlation, 1.5).norm_bands == [10]


def test_two_bands_are_one_group_if_they_correlate():
    assert group_bands(("a", "b"), np.array([[1, 0.95], [0.95, 1]])).norm_bands == [2]
    assert group_bands(("a", "b"), np.array([[1, 0.5], [0.5, 1]])).norm_bands == [1, 1]


def test_a_constant_band_is_alone():
    correlation = made(BANDS)
    correlation[3], correlation[:, 3] = np.nan, np.nan
    assert ("B05",) in group_bands(BANDS, correlation).members


def test_the_figure_shows_the_bands():
    groups = group_bands(BANDS, made(BANDS))
    figure = dendrogram("title", BANDS, groups.linkage, groups.threshold)
    assert {label.get_text() for label in figure.axes[0].get_yticklabels()} == set(BANDS)
    assert to_rgb(figure).std() > 0


def test_correlations_come_from_the_shards_or_their_statistics(synthetic_shards, tmp_path):
    bands, correlation = read_correlation(synthetic_shards, "s2")
    assert tuple(bands) == BANDS
    assert np.diag(correlation) == pytest.approx(np.ones(10))
    (tmp_path / "statistics").mkdir()
    known = {"modalities": {"s2": {"bands": {"a": {}, "b": {}}, "correlation": {"matrix": [[1, 0.5], [0.5, None]]}}}}
    (tmp_path / "statistics" / "statistics.json").write_text(json.dumps(known))
    assert read_correlation(tmp_path, "s2")[0] == ["a", "b"]
    with pytest.raises(DataPrepError, match="--modality: expected one of s2, found s3"):
        read_correlation(tmp_path, "s3")

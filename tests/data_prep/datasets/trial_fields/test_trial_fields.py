"""What is set to be true of trial fields is true, and nothing else."""

import numpy as np
import pytest
from scipy import stats

from data_prep import __main__ as data_prep
from data_prep.datasets.trial_fields.contract import CROPS
from data_prep.datasets.trial_fields.growth import grow
from data_prep.datasets.trial_fields.sensors import optical, radar
from data_prep.datasets.trial_fields.truth import Truth

COUNT = 2000


def landscape(truth):
    rng = np.random.default_rng(0)
    fields = grow(rng, truth, COUNT)
    return fields, optical(rng, truth, fields).astype(float), radar(rng, truth, fields)


def differs(values, labels):
    """Returns whether the values of two labels have different distributions."""
    kinds = [values[labels == kind] for kind in np.unique(labels)]
    return stats.ks_2samp(kinds[0], kinds[-1]).pvalue < 1e-3


def test_where_order_tells_no_single_date_does():
    fields, s2, _ = landscape(Truth(told_by="order"))
    for date in range(s2.shape[1]):
        assert not differs(s2[:, date, 5].mean((-1, -2)), fields.slow)
    # but how reflectance changes from date to date does: steep where crops end quickly
    steps = np.diff(fields.green[:, :, 0, 0], axis=1)
    assert differs(steps.min(axis=1), fields.slow)


def test_where_level_tells_each_date_does():
    fields, s2, _ = landscape(Truth(told_by="level"))
    for date in range(s2.shape[1]):
        assert differs(s2[:, date, 3].mean((-1, -2)), fields.crop)


def test_orbits_tell_together_or_each():
    fields, _, (asc, des) = landscape(Truth(radar="difference"))
    assert differs(np.abs(asc - des)[:, :, 0].mean((-1, -2, -3)), fields.twice)
    assert abs(np.corrcoef(asc[:, :, 0].mean((-1, -2, -3)), fields.twice)[0, 1]) < 0.05
    fields, _, (asc, des) = landscape(Truth(radar="each"))
    assert differs(asc[:, :, 0].mean((-1, -2, -3)), fields.twice)
    assert differs(des[:, :, 0].mean((-1, -2, -3)), fields.slow)
    assert not differs(asc[:, :, 0].mean((-1, -2, -3)), fields.slow)


def test_faint_light_is_faint_and_the_infrared_tells_nothing():
    fields, s2, _ = landscape(Truth(bands="faint"))
    means = s2.mean((-1, -2))
    season = fields.green[:, :, 0, 0]
    assert means[:, :, 0].std() < means[:, :, 4].std() / 5
    assert abs(np.corrcoef(means[:, :, 0].ravel(), season.ravel())[0, 1]) > 0.8
    assert abs(np.corrcoef(means[:, :, 4].ravel(), season.ravel())[0, 1]) < 0.02


def test_haze_brightens_visible_light_of_some_dates():
    _, clear, _ = landscape(Truth())
    _, hazy, _ = landscape(Truth(haze=True))
    assert (clear[:, :, 0].mean((-1, -2)) < 2000).all()
    share = (hazy[:, :, 0].mean((-1, -2)) > 4000).mean()
    assert share == pytest.approx(0.4, abs=0.02)
    assert hazy[:, :, 5].max() == clear[:, :, 5].max()


def test_pixels_go_through_one_season_or_each_through_its_own():
    assert (landscape(Truth())[0].green.std((-1, -2)) == 0).all()
    assert (landscape(Truth(texture="mixed"))[0].green.std((-1, -2)) > 0).all()


def test_the_command_writes_fields_that_are_prepared_whole(tmp_path, capsys):
    raw, shards = tmp_path / "raw", tmp_path / "shards"
    assert data_prep.main(["synthetic", "trial_fields", f"--out_dir={raw}", "--tiles=16", "--haze", "--noise=0.5"]) == 0
    assert data_prep.main(["trial_fields", f"--raw_dir={raw}", f"--out_dir={shards}"]) == 0
    assert "train: 8 tiles kept, 0 skipped" in capsys.readouterr().out
    again = tmp_path / "again"
    data_prep.main(["synthetic", "trial_fields", f"--out_dir={again}", "--tiles=16", "--haze", "--noise=0.5"])
    for file in raw.iterdir():
        with np.load(file) as one, np.load(again / file.name) as other:
            for name in one:
                np.testing.assert_array_equal(one[name], other[name])


def test_a_damaged_file_is_named(tmp_path, capsys):
    raw = tmp_path / "raw"
    data_prep.main(["synthetic", "trial_fields", f"--out_dir={raw}", "--tiles=16"])
    (raw / "val.npz").write_bytes((raw / "val.npz").read_bytes()[:100])
    assert data_prep.main(["trial_fields", f"--raw_dir={raw}", f"--out_dir={tmp_path / 'shards'}"]) == 1
    error = capsys.readouterr().err
    assert "val.npz cannot be read" in error
    assert "Traceback" not in error


def test_an_unknown_truth_is_a_mistake(tmp_path, capsys):
    assert data_prep.main(["synthetic", "trial_fields", f"--out_dir={tmp_path / 'raw'}", "--told_by=colour"]) == 2
    assert "--told_by" in capsys.readouterr().err


@pytest.mark.parametrize("truth", [Truth(), Truth(told_by="level", radar="difference", bands="faint", texture="mixed")])
def test_all_crops_grow_and_values_are_as_the_contract_says(truth):
    fields, s2, (asc, des) = landscape(truth)
    assert set(fields.crop) == set(range(len(CROPS)))
    assert -5000 < s2.min() < s2.max() < 30000
    assert all(-60 < array.min() < array.max() < 30 for array in (asc, des))

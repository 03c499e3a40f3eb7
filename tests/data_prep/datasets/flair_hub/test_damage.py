"""Damaged files are named and cost their patch, holes only the modality."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from data_prep.shards.manifest import read_manifest
from tests.data_prep.conftest import records
from tests.data_prep.datasets.flair_hub.conftest import Prepare
from tests.data_prep.datasets.flair_hub.layout import FOLDERS, file_of, patches, rewrite, sql, table

DAMAGE = {
    "truncated": ("DEM_ELEV", lambda path: os.truncate(path, path.stat().st_size // 2), "cannot be read"),
    "no image": ("SPOT_RGBI", lambda path: path.write_text("no image"), "cannot be read"),
    "three bands": ("AERIAL_RGBI", lambda path: rewrite(path, lambda p: p[:3]), "bands: expected a multiple of 4"),
    "eight bands": ("AERIAL_RGBI", lambda path: rewrite(path, lambda p: np.concatenate([p, p])), "expected 1, found 2"),
    "a size": (
        "SENTINEL2_TS",
        lambda path: rewrite(path, lambda p: p[:, :9]),
        "size: expected (10, 10), found (9, 10)",
    ),
    "a dtype": ("SENTINEL1-ASC_TS", lambda path: rewrite(path, np.float64), "dtype: expected float32, found float64"),
    "a date less": ("SENTINEL2_TS", lambda path: rewrite(path, lambda p: p[10:]), "acquisitions (as in the table"),
    "a mask less": ("SENTINEL2_MSK-SC", lambda path: rewrite(path, lambda p: p[2:]), "acquisitions (as in the table"),
    "two maps": (
        "AERIAL_LABEL-COSIA",
        lambda path: rewrite(path, lambda p: np.concatenate([p, p])),
        "bands: expected 1, found 2",
    ),
    "label bands": ("ALL_LABEL-LPIS", lambda path: rewrite(path, lambda p: p[:1]), "bands: expected a multiple of 3"),
}


@pytest.mark.parametrize(("folder", "damage", "message"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_named_and_its_patch_skipped(raw, prepare, tmp_path, folder, damage, message):
    first = patches(raw)[0]
    path = file_of(raw, first, folder)
    damage(path)
    code, printed = prepare(raw)
    assert code == 0, printed
    line = next(line for line in printed.splitlines() if f"skipped {first}" in line)
    assert str(path) in line
    assert message in line
    assert sorted(records(tmp_path / "out")) == sorted(patches(raw)[1:])


def test_a_patch_without_files_is_skipped(raw, prepare):
    first = patches(raw)[0]
    for path in raw.glob(f"*/*/*_{first.split('_')[1]}_{first.split('_')[2]}.tif"):
        path.unlink()
    code, printed = prepare(raw)
    assert code == 0, printed
    assert f"skipped {first}: {file_of(raw, first, 'AERIAL_RGBI')}: not found, nor any other file" in printed


def hole(raw: Path, prepare: Prepare, out: Path, name: str, *messages: str) -> None:
    """The first patch lacks `name`, which is told; the others do not."""
    code, printed = prepare(raw)
    assert code == 0, printed
    first, *others = patches(raw)
    line = next(line for line in printed.splitlines() if f"skipped {name} of {first}: " in line)
    assert all(message in line for message in messages), line
    prepared = records(out)
    assert len(prepared[first][name]["dates"]) == len(prepared[first][name]["pixels"]) == 0
    holes = [patch for patch, record in prepared.items() if not len(record[name]["dates"])]
    assert read_manifest(out).missing["train"][name] == len(holes)
    for other in others:
        assert bool(len(prepared[other][name]["dates"])) == file_of(raw, other, FOLDERS[name][0]).exists()


def test_elevations_too_steep_or_damaged_are_left_out(raw, prepare, tmp_path):
    path = file_of(raw, patches(raw)[0], "DEM_ELEV")

    def steep(heights: np.ndarray) -> np.ndarray:
        heights[0, 0, 0] = heights.min() + 700
        return heights

    rewrite(path, steep)
    hole(raw, prepare, tmp_path / "out", "dem", str(path), "expected heights that differ by at most 655 m, found 700 m")
    shutil.rmtree(tmp_path / "out")
    rewrite(path, lambda heights: np.where(heights == heights.max(), np.nan, heights).astype(np.float32))
    hole(raw, prepare, tmp_path / "out", "dem", str(path), "expected finite heights, found 1")


def test_sentinel_2_without_its_mask_is_left_out(raw, prepare, tmp_path):
    path = file_of(raw, patches(raw)[0], "SENTINEL2_MSK-SC")
    path.unlink()
    hole(raw, prepare, tmp_path / "out", "s2", f"{path}: not found")


def test_a_patch_without_a_spot_date_lacks_the_image(raw, prepare, tmp_path):
    path, first = table(raw, "SPOT"), patches(raw)[0]
    sql(path, "DELETE FROM {layer} WHERE patch_id = ?", first)
    hole(raw, prepare, tmp_path / "out", "spot", f"{path}: expected a row of patch {first}, found none")

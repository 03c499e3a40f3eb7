"""Splits come from csv files, from the publisher, or from the list of FLAIR#2 areas."""

from pathlib import Path

import pytest

from data_prep.datasets.flair_hub.contract import CONTRACT, CONTRACT_FLAIR2
from data_prep.synthetic.geopackage import square, write_table
from mmae_jax.contract import read_contract
from tests.data_prep.conftest import records
from tests.data_prep.datasets.flair_hub.layout import SPLITS, patches


def test_an_absent_csv_names_where_it_is_published_and_what_else_there_is(raw, prepare):
    (raw / "val.csv").unlink()
    code, printed = prepare(raw)
    assert code == 1
    assert f"{raw / 'val.csv'}: not found" in printed
    assert "IGNF/MAESTRO_FLAIR-HUB_base/dataset_splits/FLAIR-HUB" in printed
    assert "--official_split=split_1 … split_flairchallenge" in printed
    code, printed = prepare(raw, "--version=flair2", "--filter_percent=20")
    assert code == 1
    assert f"{raw / 'train_flair2_filtered_20.csv'}: not found" in printed
    assert "--flair2_areas=FILE" in printed


def test_the_publisher_s_split_is_an_option(raw, prepare, tmp_path):
    expected = {split: patches(raw, split) for split in SPLITS}
    for split in SPLITS:
        (raw / f"{split}.csv").unlink()
    assert prepare(raw, "--official_split=split_flairchallenge")[0] == 0
    assert {split: sorted(records(tmp_path / "out", split)) for split in SPLITS} == {
        split: sorted(names) for split, names in expected.items()
    }


def test_csv_files_may_lie_elsewhere_and_have_semicolons(raw, prepare, tmp_path):
    (tmp_path / "splits").mkdir()
    for split in SPLITS:
        first = patches(raw, split)[0]
        (tmp_path / "splits" / f"{split}_filtered_10.csv").write_text(f"patch_id;AERIAL_RGBI\n{first};x.tif\n")
        (raw / f"{split}.csv").unlink()
    assert prepare(raw, f"--csv_dir={tmp_path / 'splits'}", "--filter_percent=10")[0] == 0
    assert len(records(tmp_path / "out")) == 1


@pytest.mark.parametrize("name", ["D012-2019_AF-S1-27", "D012_AF-S1-27_5-10", "D012-2019_AF_S1_27_5-10"])
def test_other_patch_names_are_refused(raw, prepare, name):
    path = raw / "test.csv"
    path.write_text(f"patch_id\n{name}\n")
    code, printed = prepare(raw)
    assert code == 1
    assert f"error: {path}: expected a patch_id like D012-2019_AF-S1-27_5-10, found '{name}'" in printed


@pytest.mark.parametrize(
    "flags",
    [
        ["--official_split=split_1", "--version=flair2"],
        ["--official_split=split_1", "--filter_percent=10"],
        ["--flair2_areas=x.gpkg"],
        ["--flair2_areas=x.gpkg", "--version=flair2", "--csv_dir=x"],
    ],
)
def test_choices_that_exclude_each_other_are_refused(published, prepare, flags):
    code, printed = prepare(published, *flags)
    assert code == 1
    assert "cannot be combined with" in printed


def test_flair2_ignores_other_classes_and_has_its_own_splits(published, prepare, tmp_path):
    assert prepare(published, "--version=flair2")[0] == 0
    assert sorted(records(tmp_path / "out")) == sorted(patches(published, "train_flair2"))
    contract = read_contract(tmp_path / "out")
    assert contract == CONTRACT_FLAIR2
    assert set(contract.targets["cosia"].ignored) == {1, 2, 7, 15, 16, 17, 18}
    assert set(CONTRACT.targets["cosia"].ignored) == {15, 16, 17, 18}
    assert contract.targets["cosia"].classes == CONTRACT.targets["cosia"].classes  # ids are not compacted


def write_areas(path: Path, areas: list[tuple[str, str, str, str]]) -> None:
    names = ("domain", "year", "id_ocsge", "usage")
    columns = {name: [area[index] for area in areas] for index, name in enumerate(names)}
    write_table(path, columns, [square(0, 0, 1)] * len(areas))


def test_flair2_is_rebuilt_from_its_areas(published, prepare, tmp_path):
    areas = tmp_path / "areas.gpkg"
    train = ("D012", "2019", "D012_2019-AF_S1_27", "TRAIN")
    test = ("D033", "2021", "D033-UU_S2_3", "TEST")  # the year is in its column only, as in some published rows
    absent = ("D099", "2020", "D099_2020-UU_S2_3", "TRAIN")
    write_areas(areas, [train, ("D054057", "2018", "D054057_2018-AA_S1_V18", "VALIDATION"), test, absent])
    code, printed = prepare(published, "--version=flair2", f"--flair2_areas={areas}")
    assert code == 0, printed
    assert "expected 77762 patches, found 5; 1 areas have no aerial image" in printed
    every = {patch for split in SPLITS for patch in patches(published, split)}
    for split, area in (
        ("train", "D012-2019_AF-S1-27"),
        ("val", "D054057-2018_AA-S1-V18"),
        ("test", "D033-2021_UU-S2-3"),
    ):
        assert set(records(tmp_path / "out", split)) == {patch for patch in every if patch.startswith(area)}


def test_an_area_of_unknown_usage_is_refused(published, prepare, tmp_path):
    areas = tmp_path / "areas.gpkg"
    write_areas(areas, [("D012", "2019", "D012_2019-AF_S1_27", "PLAY")])
    code, printed = prepare(published, "--version=flair2", f"--flair2_areas={areas}")
    assert code == 1
    assert f"{areas}: D012_2019-AF_S1_27: usage: expected one of TRAIN, VALIDATION, TEST, found 'PLAY'" in printed

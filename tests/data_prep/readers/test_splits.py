"""Split files: their names, what is said where they are absent, and what is wrong in them."""

import pytest

from data_prep.errors import DataPrepError
from data_prep.readers.splits import SplitFiles, read_column
from tests.data_prep.conftest import records, rows


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({}, "train.csv"),
        ({"fold": 1}, "train_fold_1.csv"),
        ({"filter_percent": 10}, "train_filtered_10.csv"),
        ({"version": "flair2", "filter_percent": 20}, "train_flair2_filtered_20.csv"),
        ({"filter_percent": 10, "fold": 1}, "train_filtered_10_fold_1.csv"),
    ],
)
def test_options_are_named_in_the_published_order(options, name):
    assert SplitFiles(**options).name("train") == name


def test_absent_files_are_all_named_with_where_they_are_published(tmp_path):
    (tmp_path / "val.csv").touch()
    expected = (
        rf"^{tmp_path}/train.csv: not found, nor test.csv; published in .*MAESTRO_FLAIR-HUB_base.*/PASTIS-HD, or swim$"
    )
    with pytest.raises(DataPrepError, match=expected):
        SplitFiles().require(tmp_path, "PASTIS-HD", "or swim")


@pytest.mark.parametrize("text", ["image\n10000\n10001\n", "\ufeffimage;other\r\n10000;a\r\n10001;b\r\n\r\n"])
def test_a_column_is_read_by_name(tmp_path, text):
    (tmp_path / "train.csv").write_text(text, encoding="utf-8")
    assert read_column(tmp_path / "train.csv", "image") == ["10000", "10001"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a column image, found none"),
        ("id\n1\n", "expected a column image, found id"),
        ("image\n", "expected at least one tile, found none"),
        ("image,x,image\n1,2,3\n", "column image: expected once, found in column 1 and in column 3"),
        ("image,x\n1\n", "line 2: expected 2 values, found 1"),
        ("image,x\n1,1\n1,2\n", "image: 1: expected once, found in line 2 and in line 3"),
        ("image,x\n,1\n", "line 2: image: expected a tile, found nothing"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path, text, message):
    (tmp_path / "train.csv").write_text(text)
    with pytest.raises(DataPrepError, match=f"{tmp_path}/train.csv: {message}"):
        read_column(tmp_path / "train.csv", "image")


def test_a_share_of_the_training_tiles(raw, prepare, tmp_path):
    assert "train_filtered_25.csv: not found" in prepare(raw, "--filter_percent=25")[1]
    for split, kept in (("train", 3), ("val", 3), ("test", 3)):
        header, *lines = (raw / f"{split}.csv").read_text().splitlines()
        (raw / f"{split}_filtered_25.csv").write_text("\n".join([header, *lines[:kept]]))
    code, printed = prepare(raw, "--filter_percent=25")
    assert code == 0, printed
    assert len(records(tmp_path / "out")) == 3
    assert set(records(tmp_path / "out")) <= {row["aerial_name"][:-4] for row in rows(raw)}
    assert prepare(raw, "--filter_percent=0")[0] == 2

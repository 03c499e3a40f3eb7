"""Official folds and published split files; what is said where they are absent or damaged."""

import pytest

from data_prep.datasets.pastis_hd.read import list_tiles, read_tile
from data_prep.errors import DataPrepError, TileError
from data_prep.readers.splits import SplitFiles
from tests.data_prep.datasets.pastis_hd.raw_files import NAMES, replace


def names(splits):
    return {split: [patch.name for patch in patches] for split, patches in splits.items()}


@pytest.mark.parametrize(
    ("fold", "train", "val", "test"), [(1, (0, 1, 2), 3, 4), (2, (1, 2, 3), 4, 0), (4, (0, 3, 4), 1, 2)]
)
def test_official_folds_rotate(made_up, fold, train, val, test):
    found = names(list_tiles(SplitFiles(fold=fold), made_up))
    assert set(found["train"]) == {NAMES[index] for index in train}
    assert (found["val"], found["test"]) == ([NAMES[val]], [NAMES[test]])


def test_split_files_of_the_chosen_options_come_first(raw):
    for split, name in (("train", "30000"), ("val", "10001"), ("test", "10000")):
        (raw / f"{split}_fold_1.csv").write_text(f"image\n{name}\n")
        (raw / f"{split}_filtered_10_fold_1.csv").write_text(f"other,image\nx,{name}\n")
    expected = {"train": ["30000"], "val": ["10001"], "test": ["10000"]}
    assert (
        names(list_tiles(SplitFiles(fold=1), raw))
        == names(list_tiles(SplitFiles(filter_percent=10, fold=1), raw))
        == expected
    )
    assert names(list_tiles(SplitFiles(), raw))["train"] == list(NAMES[:3])


def test_absent_split_files_are_named_with_both_ways_out(raw):
    (raw / "train.csv").unlink()
    expected = r"train.csv: not found; published in .*dataset_splits/PASTIS-HD, or choose .* --fold=1 … 5 alone"
    with pytest.raises(DataPrepError, match=expected):
        list_tiles(SplitFiles(), raw)
    with pytest.raises(DataPrepError, match=r"train_filtered_10_fold_1.csv: not found, nor val_filtered_10_fold_1.csv"):
        list_tiles(SplitFiles(filter_percent=10, fold=1), raw)
    (raw / "val_fold_2.csv").write_text("image\n10000\n")
    with pytest.raises(DataPrepError, match=r"train_fold_2.csv: not found, nor test_fold_2.csv"):
        list_tiles(SplitFiles(fold=2), raw)


@pytest.mark.parametrize(
    ("text", "message"), [("image\nS2_10000\n", "image: expected the number"), ("id\n1\n", "column")]
)
def test_damaged_split_files_are_named(raw, text, message):
    replace(raw / "val.csv", text.encode())
    with pytest.raises(DataPrepError, match=rf"val.csv: .*{message}"):
        list_tiles(SplitFiles(), raw)


def test_a_listed_patch_without_metadata_is_named(raw):
    replace(raw / "val.csv", b"image\n10009\n")
    (patch,) = list_tiles(SplitFiles(), raw)["val"]
    with pytest.raises(TileError, match=r"metadata.geojson: patch 10009: not found"):
        read_tile(raw, patch)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:3000], r"cannot be read \("),
        (lambda text: text.replace("ID_PATCH", "PATCH"), "expected a GeoJSON file with an ID_PATCH for each patch"),
        (
            lambda text: text.replace('"ID_PATCH": 10001', '"ID_PATCH": 10000'),
            "patch 10000: expected once, found in feature",
        ),
        (lambda text: text.replace('"Fold": 3', '"Fold": 7'), "patch 30000: Fold: expected 1 to 5, found 7"),
    ],
)
def test_damaged_metadata_are_named(raw, change, message):
    path = raw / "metadata.geojson"
    replace(path, change(path.read_text()).encode())
    with pytest.raises(DataPrepError, match=rf"metadata.geojson: .*{message}"):
        list_tiles(SplitFiles(fold=1), raw)

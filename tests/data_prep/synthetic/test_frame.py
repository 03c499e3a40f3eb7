"""The folder that writers of made-up raw data fill appears whole, and every tile is in one split."""

import pytest

from data_prep.errors import DataPrepError
from data_prep.synthetic import frame


def test_the_folder_appears_when_all_is_written(tmp_path):
    out = tmp_path / "new" / "raw"
    with frame.new_folder(out, 3) as folder:
        (folder / "file").touch()
        assert not out.exists()
    assert [path.name for path in out.iterdir()] == ["file"]
    assert not folder.exists()


def test_what_an_interrupted_run_left_is_written_anew(tmp_path):
    out = tmp_path / "raw"

    def write(*, interrupt: bool) -> None:
        with frame.new_folder(out, 3) as folder:
            if interrupt:
                (folder / "half").touch()
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(interrupt=True)
    assert not out.exists()
    write(interrupt=False)
    assert not list(out.iterdir())


def test_a_folder_that_exists_is_refused_and_left_alone(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataPrepError, match="exists already"), frame.new_folder(tmp_path, 3):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_too_few_tiles_are_refused_by_the_name_of_the_flag(tmp_path):
    with (
        pytest.raises(DataPrepError, match="--tiles: expected at least 5, one for each fold, found 4"),
        frame.new_folder(tmp_path / "raw", 4, 5, "fold"),
    ):
        pass


@pytest.mark.parametrize(("tiles", "held_out", "expected"), [(3, None, 1), (18, None, 3), (7, 2, 2), (4, 0, 1)])
def test_splits_share_no_tile_and_keep_their_order(tiles, held_out, expected):
    splits = frame.split(range(tiles), held_out)
    assert list(splits) == ["train", "val", "test"]
    assert [tile for members in splits.values() for tile in members] == list(range(tiles))
    assert len(splits["val"]) == len(splits["test"]) == expected


def test_tables_have_the_same_line_ends_everywhere(tmp_path):
    frame.write_names(tmp_path / "splits", "name", {"train": ["é", "b"], "val": []})
    assert (tmp_path / "splits" / "train.csv").read_bytes() == "name\né\nb\n".encode()
    assert (tmp_path / "splits" / "val.csv").read_bytes() == b"name\n"

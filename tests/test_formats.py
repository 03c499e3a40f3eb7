"""Files are written whole or not at all, and what is no JSON is named."""

import errno

import pytest
from etils import epath

from mmae_jax.formats import naming_folder, read_json, written_whole
from mmae_jax.spec import SpecError


def test_file_is_written_whole(tmp_path):
    with written_whole(epath.Path(tmp_path / "a.txt")) as beside:
        beside.write_text("text")
        assert not (tmp_path / "a.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_what_was_not_written_to_its_end_is_removed(tmp_path, error):
    (tmp_path / "a.txt").write_text("before")
    with pytest.raises(type(error)), written_whole(epath.Path(tmp_path / "a.txt")) as beside:  # noqa: PT012
        beside.write_text("te")
        raise error
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "before"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not valid JSON"),
        (b'{"a": 1', "not valid JSON"),
        (b"\xff\xfe{}", "not valid JSON"),
        (b"[1]", "expected fields with values, found list"),
        (b'{"a": ' * 100_000, "not valid JSON"),
        (b'{"a": ' * 60 + b"1" + b"}" * 60, "expected at most 50 levels of JSON"),
        (b'{"a": ' + b"[" * 900 + b"]" * 900 + b"}", "expected at most 50 levels of JSON|not valid JSON"),
    ],
)
def test_what_is_no_json_is_named(tmp_path, content, message):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(SpecError, match=rf"a\.json: ({message})"):
        read_json(tmp_path / "a.json")


def test_fields_are_read(tmp_path):
    (tmp_path / "a.json").write_text('{"a": [1, {"b": null}]}')
    assert read_json(tmp_path / "a.json") == {"a": [1, {"b": None}]}


def test_error_without_a_file_names_the_folder():
    with pytest.raises(OSError, match=r"\[Errno 28\] full: 'run'"), naming_folder(epath.Path("run")):
        raise OSError(errno.ENOSPC, "full")
    with pytest.raises(OSError, match=r"full: 'file'"), naming_folder(epath.Path("run")):
        raise OSError(errno.ENOSPC, "full", "file")

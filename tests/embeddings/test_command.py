"""The command: one file, and mistakes in one line."""

import subprocess
import sys

import geopandas
import pytest

from mmae_jax.command_line import program
from mmae_jax.commands import embed as command


@pytest.fixture
def embed(random_model, synthetic_shards, monkeypatch, capsys):
    monkeypatch.setattr(command, "open_model", lambda options: random_model)

    def run(*arguments, shards=synthetic_shards):
        code = program.main(["embed", "--checkpoint=RUN", f"--shards={shards}", "--workers=0", *arguments])
        captured = capsys.readouterr()
        return code, captured.out if code == 0 else captured.err.splitlines()[-1]

    return run


def test_it_says_what_it_wrote_and_how_to_open_it(embed, tmp_path):
    out = tmp_path / "test.parquet"
    code, said = embed("--split", "test", "val", "--dtype=int8", f"--out={out}")
    assert code == 0
    assert f"{out}: 6 × 1 vector of 16 numbers (int8 by power); geopandas.read_parquet({str(out)!r})" in said
    assert geopandas.read_parquet(out)["split"].tolist() == ["test"] * 3 + ["val"] * 3


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["--out=a.tif"], 1, "--out: a .tif is one area, of a scene; tiles are written as .parquet or .zarr"),
        (["--out=a.csv"], 1, "--out: expected a name that ends in .parquet, .zarr, .tif, found a.csv"),
        (["--out=no/a.zarr"], 1, "--out: expected an existing folder for a.zarr, found none at no"),
        (["--out=a.zarr", "--quantization=pixel"], 2, "--quantization: is of --dtype=int8, found float16"),
        (["--out=a.zarr", "--shard=2/2"], 2, "--shard: expected i/n with i from 0 to n - 1, such as 0/4, found '2/2'"),
        (["--out=a.zarr", "--batch=0"], 2, "--batch: expected 1 or more, found 0"),
        (["--out=a.zarr", "--scene=a.py"], 2, "expected --shards of prepared tiles, or --scene; one of them"),
        (["--out=a.zarr", "--split=tst"], 1, "no split 'tst'; found "),
    ],
)
def test_mistakes_are_told_in_a_line(embed, tmp_path, monkeypatch, arguments, code, line):
    monkeypatch.chdir(tmp_path)
    found, said = embed(*arguments)
    assert found == code
    assert line in said
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_is_left_alone(embed, tmp_path):
    out = tmp_path / "a.parquet"
    out.write_text("mine")
    assert embed(f"--out={out}") == (1, f"error: --out: {out} exists already; delete it, or choose another")
    assert out.read_text() == "mine"


def test_a_library_that_is_not_installed_is_named(embed, monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    _, said = embed(f"--out={tmp_path / 'a.zarr'}")
    assert said == "error: --out: .zarr needs rasterio, zarr: `pip install 'mmae_jax[predict]'`"


def test_the_command_imports_no_library_of_files_before_it_is_needed():
    text = "import sys, mmae_jax.commands.embed; print({'zarr', 'rasterio', 'pyarrow', 'shapely'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"

"""`python -m mmae_jax predict`: from images on a disk to a map, by the command line."""

import geopandas
import numpy as np
import pytest
import rasterio

from mmae_jax.command_line import program as command_line

BANDS = {
    "s2": ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"),
    "s1_asc": ("VV", "VH"),
}
SCENE = """
from data_prep.scenes import Images, Scene
SCENE = Scene(sensors={"s2": Images("s2/{date}.tif"), "s1_asc": Images("s1/{date}.tif")})
"""


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """180 m × 130 m of Sentinel-2 and Sentinel-1, on two dates."""
    folder = tmp_path_factory.mktemp("scene")
    rng = np.random.default_rng(0)
    for sensor, bands in BANDS.items():
        (folder / sensor.removesuffix("_asc")).mkdir()
        for day in ("20180110", "20180620"):
            place = {"crs": "EPSG:32632", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5.6e6)}
            file = folder / sensor.removesuffix("_asc") / f"{day}.tif"
            dtype = "uint16" if sensor == "s2" else "float32"
            with rasterio.open(file, "w", "GTiff", 18, 13, len(bands), dtype=dtype, **place) as image:
                image.descriptions = bands
                image.write((rng.random((len(bands), 13, 18)) * (4000 if sensor == "s2" else 1)).astype(dtype))
    (folder / "scene.py").write_text(SCENE)
    return folder / "scene.py"


def predict(*arguments):
    return command_line.main(["predict", *map(str, arguments)])


def test_images_become_a_map(finished_run, scene, tmp_path, caplog):
    out = tmp_path / "map.parquet"
    assert predict(f"--checkpoint={finished_run}", f"--scene={scene}", f"--out={out}", "--workers=0") == 0
    table = geopandas.read_parquet(out)
    assert len(table) == 9
    assert (table[["observed_s2", "observed_s1_asc"]] == 100).all().all(), "the last squares end with the images"
    assert table[["Abies", "Quercus"]].notna().all().all()
    assert [path.name for path in tmp_path.iterdir()] == ["map.parquet"]
    assert "squares in" in caplog.text


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--overlap=1",), 2, "--overlap: expected a share from 0 to below 1, found 1"),
        (("--batch=0",), 2, "--batch: expected 1 or more, found 0"),
        (("--shard=4/4",), 2, "--shard: expected i/n with i from 0 to n - 1, such as 0/4, found '4/4'"),
        (("--accept=bandz",), 2, "expected links, place, bands, values, masks or several of them, found 'bandz'"),
        (("--target=tree",), 1, "--target: expected one of the model's targets (treesat_mlc_thresh), found tree"),
        (("--out=map.tif",), 1, "treesat_mlc_thresh has one value for a square: expected a file that ends in .parquet"),
        (("--scene=none.py",), 1, "none.py"),
        (("--uncertainty",), 1, "--uncertainty: is for maps of pixels"),
    ],
    ids=str,
)
def test_mistakes_are_one_line(finished_run, scene, tmp_path, capsys, monkeypatch, options, code, message):
    monkeypatch.chdir(tmp_path)
    defaults = (f"--checkpoint={finished_run}", f"--scene={scene}", "--out=map.parquet")
    assert predict(*defaults, *options) == code
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert message in said
    assert not list(tmp_path.iterdir())

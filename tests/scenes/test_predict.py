"""Maps of scenes: what a square says, blended; the same however the work was done."""

import dataclasses
import functools
import json
from pathlib import Path

import geopandas
import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
from etils import epath
from rio_cogeo.cogeo import cog_validate

from mmae_jax.data.records import DataError
from mmae_jax.data.sample import eval_sample
from mmae_jax.launch.signals import Preempted
from mmae_jax.scenes import work
from mmae_jax.scenes.predict import Options, predict
from mmae_jax.scenes.squares import Square, reading
from mmae_jax.scenes.tiling import tiling, window
from mmae_jax.spec import SpecError
from mmae_jax.train.exclusive import exclusive
from tests.scenes import made_up

ROWS, COLUMNS = 21, 30
chosen = functools.partial(Options, overlap=0.25)


@pytest.fixture(scope="module")
def model():
    return made_up.model()


@pytest.fixture(scope="module")
def numbers():
    return made_up.model("height")


@pytest.fixture
def scene(model):
    return made_up.scene(ROWS, COLUMNS, model.experiment)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def read(path):
    with rasterio.open(path) as raster:
        return raster.read()


def mapped(model, scene, folder, **options):
    """The files of a map, by name."""
    folder.mkdir()
    predict(model, scene, folder / "map.tif", chosen(**{"batch_size": 3} | options))
    return files(folder)


def of_squares(model, scene, overlap):
    """What the model says of each square by itself, float32 `[squares, 8, 8, outputs]`, as its evaluation would."""
    squares, experiment = tiling((ROWS, COLUMNS), 8, overlap), reading(model.experiment, 0)
    samples = [eval_sample(experiment, Square(scene, squares.start(i)), 0) for i in range(len(squares))]
    batch = made_up.jax.tree.map(lambda *leaves: np.stack(leaves), *samples)
    return squares, next(iter(model.predict(batch).values()))


def test_without_overlap_a_map_is_what_each_square_says(numbers, scene, tmp_path):
    mapped(numbers, scene, tmp_path / "map", overlap=0)
    found = read(tmp_path / "map" / "map.tif")[0]
    squares, said = of_squares(numbers, scene, 0)
    expected = np.zeros((ROWS, COLUMNS))
    # Parts end where the next square begins, so the later square counts where the last one overlaps.
    for index in range(len(squares)):
        row, column = squares.start(index)
        expected[row : row + 8, column : column + 8] = said[index, ..., 0]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("overlap", [0.25, 0.5])
def test_overlapping_squares_are_blended(numbers, scene, tmp_path, overlap):
    mapped(numbers, scene, tmp_path / "map", overlap=overlap)
    squares, said = of_squares(numbers, scene, overlap)
    total, weights = np.zeros((ROWS, COLUMNS)), np.zeros((ROWS, COLUMNS))
    for index in range(len(squares)):
        row, column = squares.start(index)
        weight = window(8, squares.overlap)
        total[row : row + 8, column : column + 8] += weight * said[index, ..., 0]
        weights[row : row + 8, column : column + 8] += weight
    np.testing.assert_allclose(read(tmp_path / "map" / "map.tif")[0], total / weights, rtol=1e-5, atol=1e-5)


def test_files_say_where_they_are_and_what_they_hold(model, scene, tmp_path):
    found = mapped(model, scene, tmp_path / "map", probabilities=True, uncertainty=True, preview=True)
    assert set(found) == {
        *("map.tif", "map.tif.aux.xml", "map_probabilities.tif", "map_uncertainty.tif", "map_quality.tif"),
        "map_preview.png",
    }
    for name in ("map", "map_probabilities", "map_uncertainty", "map_quality"):
        valid, errors, _ = cog_validate(tmp_path / "map" / f"{name}.tif", quiet=True)
        assert valid, errors
        with rasterio.open(tmp_path / "map" / f"{name}.tif") as raster:
            assert raster.crs == rasterio.CRS.from_epsg(32632)
            assert raster.transform == rasterio.Affine(1, 0, 500_000, 0, -1, 5_600_000)
            assert raster.shape == (ROWS, COLUMNS)
            assert raster.nodata == 255
            tags = raster.tags()
            assert tags["TARGET"] == "cover"
            assert set(json.loads(tags["CONTRACT"])["modalities"]) == {"aerial", "s2"}
    with rasterio.open(tmp_path / "map" / "map.tif") as raster:
        assert raster.colormap(1)[1] == (0xE6, 0x9F, 0x00, 255)
        assert raster.dtypes == ("uint8",)
    assert b"<Category>wood</Category>" in found["map.tif.aux.xml"]
    with rasterio.open(tmp_path / "map" / "map_probabilities.tif") as raster:
        assert raster.descriptions == ("water", "wood")
        shares = raster.read() * raster.scales[0]
    np.testing.assert_allclose(shares.sum(axis=0), 1, atol=0.01)
    clear = np.ptp(shares, axis=0) > 0.01
    np.testing.assert_array_equal(read(tmp_path / "map" / "map.tif")[0][clear], shares.argmax(axis=0)[clear])
    entropy = -(shares * np.log2(np.maximum(shares, 1e-9))).sum(axis=0)
    np.testing.assert_allclose(read(tmp_path / "map" / "map_uncertainty.tif")[0] / 250, entropy, atol=0.02)
    np.testing.assert_array_equal(read(tmp_path / "map" / "map_quality.tif"), 100)


def test_what_nobody_saw_is_nodata_and_what_is_missing_is_told(model, scene, tmp_path):
    scene.pixels["s2"][:, :, 5:9, 12:] = np.nan
    scene.pixels["s2"][0, :, 15:, :4] = np.nan
    scene.pixels["aerial"][:, :, 7:, 20:] = np.nan
    mapped(model, scene, tmp_path / "map", probabilities=True)
    nobody = np.zeros((ROWS, COLUMNS), bool)
    nobody[7:9, 20:] = True
    for name in ("map", "map_probabilities", "map_quality"):
        np.testing.assert_array_equal(read(tmp_path / "map" / f"{name}.tif")[0] == 255, nobody)
    aerial, s2 = read(tmp_path / "map" / "map_quality.tif")
    assert (aerial[7:, 20:][~nobody[7:, 20:]] == 0).all()
    assert (s2[5:7, 12:20] == 0).all()
    assert set(s2[15:, :4].ravel()) <= {34, 67}, "of three dates, made of two images"
    assert (s2[10:14] == 100).all()


@pytest.mark.parametrize("options", [{"workers": 2}, {"share": 3}], ids=str)
def test_the_same_files_whoever_did_the_work(model, scene, tmp_path, options):
    expected = mapped(model, scene, tmp_path / "plain", uncertainty=True)
    if "share" in options:
        (tmp_path / "map").mkdir()
        for index in (2, 0):  # the second machine died
            part = chosen(batch_size=3, uncertainty=True, share=work.Share(index, 3))
            predict(model, scene, tmp_path / "map" / "map.tif", part)
        assert [path.name for path in (tmp_path / "map").iterdir()] == ["map.tif.partial"]
        predict(model, scene, tmp_path / "map" / "map.tif", chosen(batch_size=3, uncertainty=True))
        assert files(tmp_path / "map") == expected
        return
    assert mapped(model, scene, tmp_path / "map", uncertainty=True, **options) == expected


def test_interrupted_work_goes_on(model, scene, tmp_path, monkeypatch):
    expected = mapped(model, scene, tmp_path / "plain", preview=True)
    (tmp_path / "map").mkdir()
    out, options = tmp_path / "map" / "map.tif", chosen(batch_size=3, preview=True)
    broken = dataclasses.replace(scene, fails_at=(6, 12))
    with pytest.raises(DataError, match=r"b.tif: cannot be read at \(6, 12\)"):
        predict(model, broken, out, options)
    assert not out.exists()
    computed = []
    compiled = model.compiled

    def counting(function):
        start = compiled(function)
        return lambda batch: computed.append(1) or start(batch)

    monkeypatch.setattr(model, "compiled", counting)
    predict(model, scene, out, options)
    assert files(tmp_path / "map") == expected
    assert len(computed) < len(tiling((ROWS, COLUMNS), 8, 0.25)) / 3


def test_told_to_end_keeps_what_was_computed(model, scene, tmp_path, monkeypatch):
    expected = mapped(model, scene, tmp_path / "plain")
    (tmp_path / "map").mkdir()
    told = work.Signals
    monkeypatch.setattr(work, "Signals", lambda: Told())

    class Told(told):
        @property
        def received(self):
            return 15 if self.something_to_save else None

        @received.setter
        def received(self, _):
            pass

    with pytest.raises(Preempted, match="3 of 20 squares are kept; the same command continues"):
        predict(model, scene, tmp_path / "map" / "map.tif", chosen(batch_size=3))
    monkeypatch.setattr(work, "Signals", told)
    predict(model, scene, tmp_path / "map" / "map.tif", chosen(batch_size=3))
    assert files(tmp_path / "map") == expected


def test_the_number_of_squares_at_once_changes_nothing_that_counts(model, scene, tmp_path):
    one, many = (tmp_path / name for name in ("one", "many"))
    mapped(model, scene, one, probabilities=True, batch_size=1)
    mapped(model, scene, many, probabilities=True, batch_size=7)
    shares = [read(folder / "map_probabilities.tif").astype(int) for folder in (one, many)]
    assert np.abs(shares[0] - shares[1]).max() <= 1
    differ = read(one / "map.tif") != read(many / "map.tif")
    assert not (differ & (np.ptp(shares[0], axis=0) > 1)).any()


def test_refusals_come_before_any_work(model, numbers, scene, tmp_path):
    out = tmp_path / "map.tif"
    with pytest.raises(
        SpecError, match=r"--target: expected one of the model's targets .cover., found cove; did you mean"
    ):
        predict(model, scene, out, chosen(target="cove"))
    with pytest.raises(SpecError, match=r"--uncertainty: height is a number, not a class"):
        predict(numbers, scene, out, chosen(uncertainty=True))
    with pytest.raises(SpecError, match=r"--out: expected an existing folder for map.tif, found none at"):
        predict(model, scene, tmp_path / "none" / "map.tif", chosen())
    predict(model, scene, out, chosen(share=work.Share(0, 4)))
    with pytest.raises(SpecError, match=r"map.tif.partial: was begun with overlap 2, found 4; delete it to begin anew"):
        predict(model, scene, out, chosen(overlap=0.5))
    with pytest.raises(SpecError, match=r"was begun with files 'b.tif', found 'c.tif'"):
        predict(model, dataclasses.replace(scene, files=("a.tif", "c.tif")), out, chosen())
    with pytest.raises(SpecError, match=r"was begun with weights"):
        predict(made_up.model("cover", seed=1), scene, out, chosen())
    out.touch()
    with pytest.raises(SpecError, match=r"--out: .*map.tif exists already; delete it, or choose another"):
        predict(model, scene, out, chosen())
    assert out.read_bytes() == b""


def test_targets_of_whole_squares_are_a_table(scene, tmp_path):
    model = made_up.model("trees")
    scene.pixels["s2"][:], scene.pixels["aerial"][:, :, :, 8:16] = np.nan, np.nan
    predict(model, scene, tmp_path / "map.parquet", Options(batch_size=3, preview=True))
    assert set(files(tmp_path)) == {"map.parquet", "map_preview.png"}
    table = geopandas.read_parquet(tmp_path / "map.parquet")
    squares, said = of_squares(model, scene, 0)
    assert table.crs == "EPSG:32632"
    assert len(table) == len(squares) == 12
    np.testing.assert_array_equal(table[["row", "column"]], [squares.start(index) for index in range(12)])
    unseen = table["column"] == 8
    np.testing.assert_array_equal(table["oak"].isna(), unseen)
    np.testing.assert_array_equal(table["observed_aerial"] == 0, unseen)
    assert (table["observed_s2"] == 0).all()
    probabilities = 1 / (1 + np.exp(-said))
    found = table[["oak", "beech", "pine"]].to_numpy()
    np.testing.assert_allclose(found[~unseen], probabilities[~unseen], rtol=1e-5)
    assert table.total_bounds.tolist() == [500_000, 5_600_000 - ROWS, 500_000 + COLUMNS, 5_600_000]
    metadata = json.loads(pq.read_schema(tmp_path / "map.parquet").metadata[b"mmae_jax"])
    assert metadata["TARGET"] == "trees"


def test_numbers_of_whole_squares_too(scene, tmp_path):
    model = made_up.model("number")
    predict(model, scene, tmp_path / "map.parquet", chosen(overlap=0.5, batch_size=5))
    _, said = of_squares(model, scene, 0.5)
    table = geopandas.read_parquet(tmp_path / "map.parquet")
    np.testing.assert_allclose(table["number"], said[:, 0], rtol=1e-5)
    with pytest.raises(
        SpecError, match=r"--out: number has one value for a square: expected a file that ends in .parqu"
    ):
        predict(model, scene, tmp_path / "map.tif", chosen())


def test_two_at_once_are_refused(model, scene, tmp_path):
    out = tmp_path / "map.tif"
    part = chosen(share=work.Share(0, 4))
    predict(model, scene, out, part)
    with exclusive(epath.Path(f"{out}.partial")):
        with pytest.raises(SpecError, match=r"map.tif.partial is in use by another run .process \d+ on"):
            predict(model, scene, out, chosen())
        predict(model, scene, out, part)
    predict(model, scene, out, chosen())
    assert out.exists()


def test_a_full_disk_is_named(model, scene, tmp_path, monkeypatch):
    def full(*_):
        raise OSError("3840 requested and 992 written")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OSError, match="No space left on device") as error:
        predict(model, scene, tmp_path / "map.tif", chosen())
    assert error.value.filename == str(tmp_path / "map.tif.partial")


def test_a_scene_of_which_nothing_was_seen_is_told(model, scene, tmp_path, caplog):
    for pixels in scene.pixels.values():
        pixels[:] = np.nan
    predict(model, scene, tmp_path / "map.tif", chosen(overlap=0))
    assert (read(tmp_path / "map.tif") == 255).all()
    assert "nothing was observed anywhere" in caplog.text

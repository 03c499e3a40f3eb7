"""Images, arrays and tables of a scene: what the model says of each square, where it lies."""

from __future__ import annotations

import geopandas
import numpy as np
import pytest
import rasterio
import xarray
import zarr
from rio_cogeo.cogeo import cog_validate

from mmae_jax import spec
from mmae_jax.embeddings.pooling import Pooling
from mmae_jax.embeddings.squares import SceneSamples
from mmae_jax.embeddings.storage import NODATA, Storage, Stored, unit_length
from mmae_jax.scenes.job import Job
from mmae_jax.scenes.squares import reading
from mmae_jax.scenes.work import Share
from tests.embeddings.writing import written
from tests.scenes import made_up

ROWS, COLUMNS, SIDE, PATCH = 21, 30, 8, 4
HEIGHT, WIDTH = 6, 8
"""Patches of 4 m, of which the last ones reach beyond the scene."""
BY_SENSOR = Pooling("patch", "sensor")
POWER, PIXEL = Storage("int8", "power"), Storage("int8", "pixel")


@pytest.fixture(scope="module")
def model():
    return made_up.model()


@pytest.fixture(scope="module")
def scene(model):
    """Without aerial images in the square of the second row and column, and without anything in the last one."""
    found = made_up.scene(ROWS, COLUMNS, model.experiment)
    found.pixels["aerial"][:, :, SIDE : 2 * SIDE, SIDE : 2 * SIDE] = np.nan
    for image in found.pixels.values():
        image[:, :, 2 * SIDE :, 3 * SIDE :] = np.nan
    return found


@pytest.fixture(scope="module")
def squares(scene, model):
    return SceneSamples(scene, reading(model.experiment, 0))


@pytest.fixture(scope="module")
def expected(model, squares):
    """`[C, HEIGHT, WIDTH]`, square by square."""
    found = np.full((32, 3 * 2, 4 * 2), np.nan, np.float32)
    for index in range(len(squares)):
        sample, _ = squares.sample(index)
        batch = made_up.jax.tree.map(lambda leaf: np.asarray(leaf)[None], sample)
        tokens, valid = model.encode(batch), batch["valid"]
        row, column = (2 * at for at in divmod(index, 4))
        for part, name in enumerate(("aerial", "s2")):
            there = np.tile(valid[name].any(axis=(2, 3)), (1, tokens[name].shape[1] // valid[name].shape[1]))[0]
            if there.any():
                mean = tokens[name][0, there].mean(axis=0).reshape(2, 2, 16)
                found[16 * part : 16 * part + 16, row : row + 2, column : column + 2] = mean.transpose(2, 0, 1)
    return found[:, :HEIGHT, :WIDTH]


def test_an_image_has_a_band_for_each_number(model, squares, expected, tmp_path):
    image = written(model, squares, tmp_path / "a.tif", BY_SENSOR, Storage("float16"))
    with rasterio.open(image) as file:
        found = file.read().astype(np.float32)
        assert file.crs.to_epsg() == 32632
        assert file.transform[:6] == (PATCH, 0, 500_000, 0, -PATCH, 5_600_000)
        assert file.descriptions[15:17] == ("aerial.15", "s2.0")
        assert np.isnan(file.nodata)
        assert '"parts": ["aerial", "s2"]' in file.tags()["MMAE_JAX"]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    assert np.isnan(found[:16, 2, 2]).all()
    assert np.isfinite(found[16:, 2, 2]).all()
    assert cog_validate(image)[0]


@pytest.mark.parametrize("storage", [POWER, PIXEL], ids=str)
def test_an_image_of_bytes(model, squares, expected, tmp_path, storage):
    image = written(model, squares, tmp_path / "a.tif", BY_SENSOR, storage)
    with rasterio.open(image) as file:
        values = file.read()
        assert (file.dtypes[0], file.nodata) == ("int8", NODATA)
    scale = None
    if storage is PIXEL:
        with rasterio.open(tmp_path / "a_scale.tif") as file:
            scale = file.read(1)
    found = storage.decode(Stored(np.moveaxis(values, 0, -1), scale))
    wanted = np.moveaxis(expected, 0, -1).reshape(HEIGHT, WIDTH, 2, 16)
    if storage is POWER:
        wanted = unit_length(wanted)
    np.testing.assert_allclose(found, wanted.reshape(HEIGHT, WIDTH, 32), atol=np.nanmax(np.abs(wanted)) / 60)


def test_an_array_lies_where_the_scene_does(model, squares, expected, tmp_path):
    store = written(model, squares, tmp_path / "a.zarr", BY_SENSOR)
    found = xarray.open_zarr(store, consolidated=False)
    np.testing.assert_allclose(found["embeddings"], expected, rtol=1e-4, atol=1e-5)
    assert found["x"][:2].to_numpy().tolist() == [500_002, 500_006]
    assert found["y"][:2].to_numpy().tolist() == [5_599_998, 5_599_994]
    assert found.attrs["proj:code"] == "EPSG:32632"
    assert found.attrs["spatial:transform"] == [PATCH, 0, 500_000, 0, -PATCH, 5_600_000]
    assert found.attrs["spatial:bbox"] == [500_000, 5_600_000 - 24, 500_000 + 32, 5_600_000]
    assert found.attrs["geoemb:chip_layout"] == {"layout_type": "regular_grid", "chip_size": [4, 4]}
    assert found.attrs["mmae_jax"]["dates"] == ["2018-04-10", "2018-07-19"]


def test_a_table_leaves_out_what_is_beyond(model, squares, expected, tmp_path):
    table = geopandas.read_parquet(written(model, squares, tmp_path / "a.parquet", BY_SENSOR))
    assert len(table) == HEIGHT * WIDTH
    for _, row in table.iterrows():
        np.testing.assert_allclose(row["embedding"], expected[:, row["row"], row["column"]], rtol=1e-4, atol=1e-5)
        assert row.geometry.bounds[0] == 500_000 + PATCH * row["column"]
        assert row.geometry.bounds[3] == 5_600_000 - PATCH * row["row"]
    assert table["first_date"].isna().sum() == 2 * 2  # a square, half of whose patches are beyond


def test_one_vector_a_square(model, squares, tmp_path):
    store = zarr.open_group(written(model, squares, tmp_path / "a.zarr"))
    assert store["embeddings"].shape == (16, 3, 4)
    assert store.attrs["geoemb:chip_layout"]["chip_size"] == [8, 8]


@pytest.mark.parametrize("kind", ["tif", "zarr"])
def test_what_was_killed_goes_on_and_becomes_the_same(model, squares, tmp_path, monkeypatch, small_units, kind):
    undisturbed = written(model, squares, tmp_path / f"a.{kind}", BY_SENSOR, PIXEL)
    keep, ends = Job.keep, iter([None, KeyboardInterrupt])

    def dying(*arguments):
        if (end := next(ends, None)) is not None:
            raise end
        keep(*arguments)

    monkeypatch.setattr(Job, "keep", dying)
    out = tmp_path / "b" / f"a.{kind}"
    out.parent.mkdir()
    with pytest.raises(KeyboardInterrupt):
        written(model, squares, out, BY_SENSOR, PIXEL)
    written(model, squares, out, BY_SENSOR, PIXEL, share=Share(1, 2), data=spec.Data(workers=0, prefetch=3))
    written(model, squares, out, BY_SENSOR, PIXEL)
    found = [
        {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
        for folder in (undisturbed, out)
        if folder.is_dir()
    ]
    if kind == "tif":
        names = ("a.tif", "a_scale.tif")
        found = [[(folder / name).read_bytes() for name in names] for folder in (tmp_path, out.parent)]
    assert found[0] == found[1]
    assert not list(out.parent.glob("*.partial"))

"""Tables and arrays of tiles are read back by other libraries, and say what is in them."""

from __future__ import annotations

import dataclasses
import json

import geopandas
import numpy as np
import pyarrow.parquet as pq
import pytest
import xarray
import zarr

from mmae_jax import spec
from mmae_jax.data.batch import Batch
from mmae_jax.data.pipeline import eval_batches
from mmae_jax.data.shards import open_shards
from mmae_jax.embeddings.output import UNITS
from mmae_jax.embeddings.places import Place
from mmae_jax.embeddings.pooling import Pooling
from mmae_jax.embeddings.samples import About
from mmae_jax.embeddings.storage import Storage, Stored
from mmae_jax.embeddings.tiles import ShardSamples
from mmae_jax.scenes.job import Job
from mmae_jax.scenes.work import Share
from mmae_jax.spec import SpecError
from tests.embeddings.writing import written

BYTES = Storage("int8", "pixel")


@pytest.fixture(scope="session")
def table(random_model, tiles, tmp_path_factory):
    return written(random_model, tiles, tmp_path_factory.mktemp("table") / "tiles.parquet")


def vectors(table: geopandas.GeoDataFrame) -> np.ndarray:
    return np.stack(table["embedding"])


def test_a_table_has_the_vectors_of_all_tiles_in_order(table, random_model, tiny_experiment):
    found = geopandas.read_parquet(table)
    assert found["split"].tolist() == [
        split for split, number in found["split"].value_counts(sort=False).items() for _ in range(number)
    ]
    splits = tuple(dict.fromkeys(found["split"]))
    with eval_batches(tiny_experiment, 18, splits, open_shards(tiny_experiment)) as batches:
        features = random_model.encode(next(batches))
    every = np.concatenate([array.reshape(18, -1, 16) for array in features.values()], axis=1)
    np.testing.assert_allclose(vectors(found), every.mean(axis=1), rtol=1e-4, atol=1e-5)


def test_a_table_says_where_and_when_and_by_what(table, tiny_experiment):
    found = geopandas.read_parquet(table)
    assert found.crs.is_projected
    assert (abs(found.area - tiny_experiment.dataset.tile_meters**2) < 1).all()
    assert (found["first_date"] <= found["last_date"]).all()
    said = json.loads(pq.read_schema(table).metadata[b"mmae_jax"])
    assert said["parts"] == ["mean"]
    assert said["contract"]["modalities"]["s2"]["bands"]
    assert said["model"] == "RUN"


def test_patches_divide_their_tile(random_model, tiles, table, tmp_path):
    pooling = Pooling("patch", "sensor")
    patches = geopandas.read_parquet(written(random_model, tiles, tmp_path / "p.parquet", pooling, BYTES))
    grid = pooling.grid(random_model.experiment)
    assert len(patches) == 18 * grid**2
    first = patches[patches["tile"] == patches["tile"][0]]
    assert first[["row", "column"]].to_numpy().tolist() == [
        [row, column] for row in range(grid) for column in range(grid)
    ]
    whole = geopandas.read_parquet(table).geometry[0]
    assert abs(first.union_all().symmetric_difference(whole).area) < 1e-3
    assert first.geometry.iloc[1].centroid.x > first.geometry.iloc[0].centroid.x
    assert vectors(patches).dtype == np.int8
    assert (patches["scale"] > 0).all()


def test_a_store_has_what_the_table_has(random_model, tiles, table, tmp_path, small_units):
    store = written(random_model, tiles, tmp_path / "tiles.zarr", storage=BYTES)
    found, expected = xarray.open_zarr(store, consolidated=False), geopandas.read_parquet(table)
    assert found["embeddings"].dims == ("tile", "band")
    of = Stored(found["embeddings"].to_numpy(), found["scale"].to_numpy())
    error = np.abs(BYTES.decode(of) - vectors(expected)).max(axis=1)
    assert (error <= 0.51 * of.scale).all()
    assert found["name"].to_numpy().tolist() == expected["tile"].tolist()
    assert found["first_date"].to_numpy().astype("datetime64[D]").tolist() == expected["first_date"].tolist()
    np.testing.assert_allclose(found["corners"][:, 0], expected.geometry.get_coordinates().to_numpy()[::5])
    assert zarr.open_group(store)["embeddings"].chunks == (4, 16)
    assert not list(tmp_path.glob("*.partial"))


def test_a_store_says_by_convention_what_is_in_it(random_model, tiles, tmp_path):
    pooling = Pooling("patch", "date")
    store = written(random_model, tiles, tmp_path / "patches.zarr", pooling, Storage("int8", "power"))
    group = zarr.open_group(store, mode="r")
    attributes = group.attrs
    assert group["embeddings"].shape == (18, attributes["geoemb:dimensions"], 3, 3)
    assert attributes["geoemb:type"] == "chip"
    assert attributes["geoemb:chip_layout"] == {"layout_type": "irregular", "chip_size": [2, 2]}
    assert attributes["geoemb:data_type"] == "int8"
    assert attributes["geoemb:quantization"]["method"] == "signed_power"
    assert attributes["geoemb:source_data"][0].startswith("file:///")
    assert {each["name"] for each in attributes["zarr_conventions"]} == {"geoemb:", "proj:"}
    assert group["embeddings"].fill_value == -128


@pytest.mark.parametrize("changes", [{"batch_size": 1}, {"data": spec.Data(workers=2)}], ids=("batch", "readers"))
def test_vectors_do_not_depend_on_batch_and_readers(random_model, tiles, table, tmp_path, changes):
    found = written(random_model, tiles, tmp_path / "tiles.parquet", **changes)
    if "data" in changes:
        assert found.read_bytes() == table.read_bytes()
    same = vectors(geopandas.read_parquet(found)), vectors(geopandas.read_parquet(table))
    np.testing.assert_allclose(*same, rtol=1e-5, atol=1e-6)


def test_what_was_killed_goes_on_and_becomes_the_same(random_model, tiles, tmp_path, small_units, monkeypatch):
    undisturbed = written(random_model, tiles, tmp_path / "undisturbed.parquet")
    keep, ends = Job.keep, iter([None, KeyboardInterrupt] * 2)

    def dying(*arguments):
        if (end := next(ends, None)) is not None:
            raise end
        keep(*arguments)

    monkeypatch.setattr(Job, "keep", dying)
    out = tmp_path / "killed.parquet"
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            written(random_model, tiles, out)
        assert not out.exists()
    assert len(list((tmp_path / "killed.parquet.partial" / UNITS).iterdir())) == 2
    assert written(random_model, tiles, out).read_bytes() == undisturbed.read_bytes()


@pytest.mark.parametrize("kind", ["parquet", "zarr"])
def test_shares_of_several_processes_are_put_together(random_model, tiles, tmp_path, small_units, kind):
    alone, out = written(random_model, tiles, tmp_path / f"alone.{kind}"), tmp_path / f"tiles.{kind}"
    for index in (2, 0):
        written(random_model, tiles, out, share=Share(index, 3))
        assert not out.exists()
    written(random_model, tiles, out)  # which does what nobody did
    if kind == "parquet":
        assert out.read_bytes() == alone.read_bytes()
    else:
        assert (zarr.open_group(out)["embeddings"][:] == zarr.open_group(alone)["embeddings"][:]).all()


def test_work_for_another_result_is_not_taken_over(random_model, tiles, tmp_path, small_units):
    out = tmp_path / "tiles.parquet"
    written(random_model, tiles, out, share=Share(0, 2))
    with pytest.raises(SpecError, match=r"tiles.parquet.partial: was begun with pool 'mean', found 'date'"):
        written(random_model, tiles, out, Pooling(pool="date"))


class Elsewhere:
    """The first tiles of a source, at other places."""

    def __init__(self, source: ShardSamples, *crs: str) -> None:
        self._source, self._crs = source, crs
        self.experiment, self.fingerprint, self.area = source.experiment, ",".join(crs), None
        self.origins = source.origins

    def __len__(self) -> int:
        return len(self._crs)

    def sample(self, index: int) -> tuple[Batch, About]:
        sample, about = self._source.sample(index)
        place = Place(self._crs[index], (60.0, 0.0, 500_000.0, 0.0, -60.0, 5_600_000.0))
        return sample, dataclasses.replace(about, place=place)


def test_tiles_in_several_systems_have_polygons_in_one(random_model, tiles, tmp_path):
    source = Elsewhere(tiles, "EPSG:32631", "EPSG:32632", "")
    table = geopandas.read_parquet(written(random_model, source, tmp_path / "tiles.parquet"))
    assert table.crs == "OGC:CRS84"
    assert table["crs"].tolist() == ["EPSG:32631", "EPSG:32632", ""]
    np.testing.assert_allclose(table.geometry[:2].bounds["minx"], [3, 9], atol=1e-3)
    assert table.geometry[2] is None
    store = zarr.open_group(written(random_model, source, tmp_path / "tiles.zarr"))
    assert store["crs"][:].tolist() == ["EPSG:32631", "EPSG:32632", ""]
    assert "proj:code" not in store.attrs


def test_tiles_without_a_place_have_none(random_model, tiles, tmp_path):
    table = geopandas.read_parquet(written(random_model, Elsewhere(tiles, "", ""), tmp_path / "tiles.parquet"))
    assert table.crs is None
    assert table.geometry.isna().all()
    assert "corners" not in zarr.open_group(written(random_model, Elsewhere(tiles, ""), tmp_path / "tiles.zarr"))

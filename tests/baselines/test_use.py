"""What is done with a finished foundation model: maps, and the start of another run."""

import dataclasses

import numpy as np
import pytest
import rasterio

from mmae_jax.models.params import by_path
from mmae_jax.pretrained import Pretrained
from mmae_jax.scenes.predict import Options, predict
from mmae_jax.spec import SpecError
from mmae_jax.weights.publishers import from_run
from tests import runs
from tests.baselines import cases
from tests.scenes import made_up


@pytest.fixture(scope="module")
def experiment():
    inputs = {"aerial": cases.image("dinov2", 2), "s2": cases.image("dinov2", 2, dates=2)}
    return cases.experiment("dinov2", inputs, target="cover")


@pytest.fixture(scope="module")
def arrays(experiment):
    return {path: np.asarray(leaf) for path, leaf in by_path(runs.random_params(experiment, runs.one_device())).items()}


def test_a_scene_is_mapped(experiment, tmp_path):
    mesh = runs.one_device()
    model = Pretrained(experiment, runs.random_params(experiment, mesh), mesh)
    predict(model, made_up.scene(21, 30, experiment), tmp_path / "map.tif", Options(overlap=0.25, batch_size=3))
    with rasterio.open(tmp_path / "map.tif") as raster:
        classes = raster.read(1)
    assert classes.shape == (21, 30)
    assert set(np.unique(classes)) == {0, 1}


def test_a_run_starts_another_with_other_heads(experiment, arrays):
    other = dataclasses.replace(experiment, targets=("trees",))
    taken, report = from_run(arrays, other, "RUN")
    assert set(taken) == {path for path in arrays if path[0] != "heads"}
    assert {row.action for row in report.rows if "heads.trees" in row.parameter} == {"new"}


def test_an_input_that_a_run_does_not_know_has_no_source(experiment, arrays):
    inputs = experiment.inputs | {"spot": cases.image("dinov2", 2)}
    other = cases.experiment("dinov2", inputs, target="cover")
    with pytest.raises(
        SpecError, match=r"RUN: has no weights for parts of this model\n  missing patch_embed\.spot\.bias"
    ):
        from_run(arrays, other, "RUN")

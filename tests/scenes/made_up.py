"""A scene in memory, and a model with random weights that maps it."""

import dataclasses

import jax
import numpy as np
import rasterio
from immutabledict import immutabledict

from mmae_jax import spec
from mmae_jax.data.records import DataError
from mmae_jax.parallel import make_mesh
from mmae_jax.pretrained import Pretrained
from mmae_jax.scenes.scene import Frame
from tests import experiments, runs

SIZES = {"aerial": 1, "s2": 2, "s1_asc": 2, "s1_des": 2}
"""Acquisitions of each sensor, of which s2 and s1 use three and two."""


@dataclasses.dataclass
class InMemory:
    """Sensors of 1 m, with random pixels; `missing` pixels are NaN.

    `fails_at`: a square that cannot be read.
    """

    frame: Frame
    pixels: dict[str, np.ndarray]
    files: tuple[str, ...] = ("a.tif", "b.tif")
    fails_at: tuple[int, int] | None = None

    def read(self, start, cells):
        if start == self.fails_at:
            raise DataError(f"b.tif: cannot be read at {start}")
        record = {"name": f"{start}", "ref_date": np.array([2018, 182, 0], np.int16)}
        for name, image in self.pixels.items():
            beyond = max(0, start[0] + cells - image.shape[2]), max(0, start[1] + cells - image.shape[3])
            padded = np.pad(image, ((0, 0), (0, 0), (0, beyond[0]), (0, beyond[1])), constant_values=np.nan)
            cut = padded[:, :, start[0] : start[0] + cells, start[1] : start[1] + cells]
            days = np.arange(1, len(cut) + 1) * 100
            dates = np.stack([np.full(len(cut), 2018), days, np.full(len(cut), 10)], -1).astype(np.int16)
            record[name] = {"pixels": cut, "dates": dates}
        return record


def scene(rows, columns, of, seed=0):
    """Returns a scene of `rows` × `columns` m for an experiment."""
    rng = np.random.default_rng(seed)
    pixels = {
        name: rng.normal(size=(SIZES[name], len(of.modality(name).bands), rows, columns)).astype(np.float32)
        for name in of.inputs
    }
    crs = rasterio.CRS.from_epsg(32632).to_wkt()
    return InMemory(Frame(crs, 500_000.0, 5_600_000.0, float(columns), float(rows), 1.0), pixels)


def model(target="cover", seed=0):
    """Returns a model with random weights of two sensors that predicts a target."""
    height = spec.Target("regression", (), "height", size=8, dtype="float32")
    number = spec.Target("regression", (), "number")
    experiment = experiments.experiment(inputs=("aerial", "s2"), targets=(target,))
    dataset = experiment.dataset
    dataset = dataclasses.replace(
        dataset, targets=immutabledict(dataset.targets | {"height": height, "number": number})
    )
    experiment = dataclasses.replace(experiment, dataset=dataset)
    mesh = make_mesh(spec.Mesh(), jax.devices()[:1])
    return Pretrained(experiment, runs.random_params(experiment, mesh, seed), mesh)

"""What the model sees of FLAIR-HUB are the published values; what the host hands over is small."""

import math
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
import pytest

from configs import flair_hub
from data_prep.__main__ import main
from data_prep.readers.values import quantised
from mmae_jax.config import experiment_from_config
from mmae_jax.data.abstract import abstract_batch
from mmae_jax.data.sample import eval_sample
from mmae_jax.data.shards import open_shards
from mmae_jax.models.samples import Samples, samples_from_batch
from mmae_jax.spec import Experiment
from tests.data_prep.datasets.flair_hub.layout import FOLDERS, file_of, slow_dates, slow_pixels

MOST_HOST_BYTES = 2_500_000
LEAST_POWER = 1e-10
PUBLISHED_ORDER = {"aerial": ("R", "G", "B", "NIR")}


@pytest.fixture(scope="module")
def experiment(published: Path) -> Experiment:
    directory = published.with_name("shards")
    assert main(["flair_hub", f"--raw_dir={published}", f"--out_dir={directory}"]) == 0
    config = flair_hub.get_config()
    config.data.dir = str(directory)
    return experiment_from_config(config)


@pytest.fixture(scope="module")
def samples(experiment: Experiment) -> dict[str, Samples]:
    """Evaluation samples on the device, by patch."""

    def read() -> Iterator[tuple[str, Samples]]:
        shards = open_shards(experiment)
        tiles, stored = shards.source(("train", "val")), shards.records(("train", "val"))
        for index in range(len(tiles)):
            batch = jax.tree.map(lambda leaf: np.asarray(leaf)[None], eval_sample(experiment, tiles[index], 0))
            yield stored[index]["name"].decode(), samples_from_batch(batch, experiment)

    return dict(read())


@pytest.mark.parametrize("name", ["aerial", "s2", "s1_asc", "s1_des"])
def test_values_are_the_published_at_the_chosen_dates(published, experiment, samples, name):
    folder, bands = FOLDERS[name]
    modality = experiment.inputs[name]
    for patch, seen in samples.items():
        dates = slow_dates(published, patch, name)
        values = slow_pixels(file_of(published, patch, folder), len(dates), bands).astype(np.float64)
        if name in PUBLISHED_ORDER:
            values = values[:, [PUBLISHED_ORDER[name].index(band) for band in modality.band_names]]
        if modality.log_scale:
            values = np.log(np.maximum(values, LEAST_POWER))
        chosen = [dates.index(list(map(int, date))) for date in seen.dates[name][0]]
        assert chosen == sorted(chosen)
        expected = values[chosen] / modality.norm_fac
        observed = np.isfinite(expected)
        found = np.asarray(seen.pixels[name][0])
        np.testing.assert_allclose(found[observed], expected[observed], rtol=1e-6, atol=1e-6)
        valid = np.broadcast_to(np.asarray(seen.pixels_valid[name][0])[:, None], found.shape)
        np.testing.assert_array_equal(valid, np.broadcast_to(observed.all(1, keepdims=True), found.shape))


def test_elevations_on_the_device_are_the_published_to_a_centimetre(published, experiment, samples):
    kilometre = experiment.inputs["dem"].norm_fac
    for patch, seen in samples.items():
        surface, ground = slow_pixels(file_of(published, patch, "DEM_ELEV"), 1, 2)[0].astype(np.float64)
        found = np.asarray(seen.pixels["dem"][0, 0], np.float64) * kilometre
        above_ground = found[1] / 30
        assert np.abs(found[0] - surface).max() <= 0.01
        assert np.abs(found[0] - above_ground - ground).max() <= 0.01
        assert np.abs(above_ground - (surface - ground)).max() <= 0.0101  # two roundings, and those of float32


def test_a_sample_is_small_on_the_host(experiment):
    batch = abstract_batch(experiment, 1)
    num_bytes = sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(batch))
    assert set(batch["inputs"]) == {"aerial", "dem", "s2", "s1_asc", "s1_des"}
    assert set(batch["targets"]) == {"cosia"}
    assert num_bytes <= MOST_HOST_BYTES


@pytest.mark.parametrize("lowest", [-2.5, 0.0, 4800.25])
def test_quantised_heights_are_off_by_half_a_quantum_at_most(lowest):
    heights = (lowest + np.random.default_rng(0).uniform(0, 655, (2, 50, 50))).astype(np.float32)
    pixels, base = quantised(heights, 0.01)
    assert (pixels.dtype, base.dtype) == (np.uint16, np.float32)
    np.testing.assert_allclose(float(base) + 0.01 * pixels, heights, rtol=0, atol=0.005 + 1e-9)


@pytest.mark.parametrize(
    ("bad", "message"), [(np.nan, "finite"), (np.inf, "finite"), (-99999.0, "heights that differ")]
)
def test_heights_that_cannot_be_quantised_are_refused(bad, message):
    heights = np.full((2, 3, 3), 100, np.float32)
    heights[0, 1, 1] = bad
    with pytest.raises(ValueError, match=message):
        quantised(heights, 0.01)

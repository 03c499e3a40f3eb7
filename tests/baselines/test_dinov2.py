"""DINOv2 against transformers' Dinov2Model (5.24, random weights), and how inputs are adapted to it."""

import numpy as np
import pytest

from mmae_jax import spec
from tests.baselines import cases

BANDS = ("B02", "B03", "B04", "B08")
PUBLISHED = spec.Foundation(mode="published")


@pytest.mark.parametrize(
    ("encoder", "patches"),
    [("dinov2", 5), ("dinov2", 16), ("dinov2", 37), ("dinov2_sat", 5), ("dinov2_sat", 14), ("dinov2_sat", 20)],
)
def test_tokens_are_those_of_transformers(golden_dir, encoder, patches):
    expected = np.load(golden_dir / "dinov2.npz")[f"{encoder}/{patches}"]
    image = cases.image(encoder, patches)
    experiment = cases.experiment(encoder, {"aerial": image}, date_encoding=False)
    shape = (len(expected), 1, 3, image.image_size, image.image_size)
    pixels = np.random.RandomState(patches).standard_normal(shape).astype(np.float32)
    model = cases.model(experiment, cases.tensors(experiment))
    found = model.encoder.features(cases.samples(experiment, {"aerial": pixels}))["aerial"][:, 0]
    cases.assert_close(found[:, :: 5 if patches > 5 else 1], expected)

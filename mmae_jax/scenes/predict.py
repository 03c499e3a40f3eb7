"""From a model and a scene to a map of classes or numbers."""

from __future__ import annotations

from pathlib import Path

from mmae_jax.pretrained import Pretrained
from mmae_jax.scenes.pixel_map import write_map
from mmae_jax.scenes.prediction import Options as Options
from mmae_jax.scenes.prediction import Prediction
from mmae_jax.scenes.scene import Scene
from mmae_jax.scenes.square_table import write_table
from mmae_jax.spec import SpecError


def predict(model: Pretrained, scene: Scene, out: Path, options: Options) -> None:
    """Writes the map of a scene: a cloud-optimised GeoTIFF and others beside it (`layers`), or a table of squares.

    What is interrupted goes on when it is called again; the files do not depend on that, nor on `workers`.

    Args:
      model: the trained model.
      scene: what it is predicted from.
      out: ends in `.tif`, or in `.parquet` for a target with one value for a square.
      options: how.

    Raises:
      SpecError: the model has no such target, a file is there already, or work was begun with other options.
      DataError: a file of the scene cannot be read.
      Preempted: told to end; what was computed is kept.
    """
    prediction = Prediction(model, scene, options)
    of_pixels = prediction.target.is_raster
    suffix = ".tif" if of_pixels else ".parquet"
    if out.suffix != suffix:
        what = "a value for each pixel" if of_pixels else "one value for a square"
        raise SpecError(f"--out: {prediction.name} has {what}: expected a file that ends in {suffix}, found {out}")
    (write_map if of_pixels else write_table)(prediction, out)

"""What experiments have in common: settings of arXiv 2508.10894 for all datasets that are no defaults."""

from __future__ import annotations

from typing import Any

from ml_collections import ConfigDict

from mmae_jax.config import to_plain
from mmae_jax.spec import PHASES, Dataset

S2_BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")


def experiment(dataset: Dataset, target: str | None = None, monitor: str | None = None) -> ConfigDict:
    """Returns an experiment without inputs.

    Args:
      dataset: sensor contract.
      target: what is learnt after pretraining, if anything.
      monitor: score of the target on `val` by which finetuning chooses an epoch.
    """
    config = ConfigDict()
    config.dataset = to_plain(dataset)
    config.data = dict(workers=8, prefetch=16)
    config.inputs = dict()
    config.targets = (target,) if target else ()
    config.model = dict(architecture="base")
    config.phases = PHASES if target else PHASES[:1]
    config.pretrain = dict(epochs=100, batch_size=32, base_lr=3e-5, train_splits=("train", "val"))
    config.probe = dict(epochs=10, batch_size=32, base_lr=1e-5)
    config.finetune = dict(epochs=50, batch_size=32, base_lr=1e-5, final_factor=2.0)
    if monitor:
        config.finetune.update(monitor=f"{target}/{monitor}", patience=5)
    return config


def sentinel2(image_size: int, norm_fac: float, **more: Any) -> dict[str, Any]:
    """Returns the input of a time series of Sentinel-2: visible; red edge and near infrared; short-wave infrared."""
    bands: dict[str, Any] = dict(bands=[list(S2_BANDS)], norm_bands=[4, 4, 2])
    return bands | dict(image_size=image_size, patch_size=2, num_dates=16, norm_fac=norm_fac) | more


def sentinel1(image_size: int, norm_fac: float, **more: Any) -> dict[str, Any]:
    """Returns the input of a time series of Sentinel-1."""
    bands: dict[str, Any] = dict(bands=[["VV", "VH"]], norm_bands=[1, 1])
    return bands | dict(image_size=image_size, patch_size=2, num_dates=4, norm_fac=norm_fac) | more


def sentinel1_orbits(image_size: int, norm_fac: float, **more: Any) -> dict[str, Any]:
    """Returns the inputs of Sentinel-1 from ascending and descending orbits, which share an encoder."""
    return {name: sentinel1(image_size, norm_fac, name_group="s1", **more) for name in ("s1_asc", "s1_des")}


def shrink(config: ConfigDict, *, epochs: int, batch_size: int) -> None:
    """Makes an experiment small enough for a laptop, but for its inputs."""
    config.data.update(workers=0, prefetch=4)
    config.model.update(architecture="tiny", dtype="float32")
    for name in config.phases:
        config[name].update(epochs=epochs, batch_size=batch_size)
    config.logging = dict(every_steps=1)


def check_argument(name: str, arg: str | None, *allowed: str) -> None:
    """Raises a `ValueError` if `arg`, what stands behind `--config=configs/{name}.py:`, is not `allowed`."""
    if arg and arg not in allowed:
        expected = " or ".join(["no argument, " + ", ".join(allowed[:-1]), allowed[-1]])
        if len(allowed) == 1:
            expected = f"no argument or {allowed[0]}"
        raise ValueError(f"configs/{name}.py: expected {expected}, found {arg!r}")

"""Numbers of Sentinel-1 and -2 in the units that foundation models were trained on, and their statistics there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from immutabledict import immutabledict

from mmae_jax.models.samples import Samples, in_units
from mmae_jax.spec import Experiment, SpecError
from mmae_jax.spec.error import choices

WEAKEST = 1e-10
"""Backscatter that counts as none: −100 dB."""


class Spread(NamedTuple):
    """Mean and standard deviation of a band."""

    mean: float
    deviation: float


RADAR: Mapping[str, Spread] = immutabledict(
    VV=Spread(-12.54847273, 5.25697717),
    VH=Spread(-20.19237134, 5.91150917),
)
"""Sentinel-1 in SSL4EO-S12 (arXiv 2211.07044), on which CROMA was trained [dB]."""

SURFACE: Mapping[str, Spread] = immutabledict(
    B01=Spread(0.0752, 0.1108),
    B02=Spread(0.0884, 0.1155),
    B03=Spread(0.1144, 0.1184),
    B04=Spread(0.1297, 0.1368),
    B05=Spread(0.1625, 0.1370),
    B06=Spread(0.2195, 0.1356),
    B07=Spread(0.2422, 0.1417),
    B08=Spread(0.2518, 0.1475),
    B8A=Spread(0.2582, 0.1439),
    B09=Spread(0.2646, 0.1582),
    B11=Spread(0.2369, 0.1456),
    B12=Spread(0.1805, 0.1343),
)
"""Sentinel-2 there, at the surface (level 2A) [reflectance]."""

TOP_OF_ATMOSPHERE: Mapping[str, Spread] = immutabledict(
    B01=Spread(0.1606, 0.0787),
    B02=Spread(0.1391, 0.0850),
    B03=Spread(0.1315, 0.0875),
    B04=Spread(0.1364, 0.1139),
    B05=Spread(0.1549, 0.1122),
    B06=Spread(0.2092, 0.1162),
    B07=Spread(0.2372, 0.1274),
    B08=Spread(0.2300, 0.1248),
    B8A=Spread(0.2560, 0.1346),
    B09=Spread(0.0830, 0.0577),
    B11=Spread(0.2177, 0.1336),
    B12=Spread(0.1524, 0.1137),
)
"""Sentinel-2 there, above the atmosphere (level 1C) [reflectance]."""


def is_radar(experiment: Experiment, name: str) -> bool:
    """Returns whether all bands of an input are polarisations of Sentinel-1 that models were trained on."""
    return set(experiment.inputs[name].band_names) <= set(RADAR)


def is_optical(experiment: Experiment, name: str) -> bool:
    """Returns whether all bands of an input are Sentinel-2's, by the names `B01` to `B12`."""
    return set(experiment.inputs[name].band_names) <= set(SURFACE)


def check_reflectance(experiment: Experiment, name: str) -> None:
    """Raises a `SpecError` where values of an optical input are no reflectances."""
    unit = experiment.modality(name).unit
    if "reflectance" not in unit.lower():
        raise SpecError(
            f"inputs.{name}: expected a unit with the word reflectance for {experiment.model.encoder}, "
            f"found {unit!r} in {experiment.dataset.name}"
        )


def decibels(samples: Samples, name: str, experiment: Experiment) -> jax.Array:
    """Returns the backscatter of a radar input, `[B, D, C, H, W]` [dB]."""
    values = in_units(samples.pixels[name], name, experiment)
    if experiment.modality(name).decibel:
        return values
    return 10 * jnp.log10(jnp.maximum(values, WEAKEST))


def reflectance_statistics(experiment: Experiment, name: str) -> Mapping[str, Spread]:
    """Returns band → its statistics, those of the level that the contract's unit names."""
    return SURFACE if "surface" in experiment.modality(name).unit.lower() else TOP_OF_ATMOSPHERE


def of_bands(bands: Sequence[str], known: Mapping[str, Spread]) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and standard deviation of bands, float32 `[1, 1, C, 1, 1]` each."""
    found = np.asarray([known[band] for band in bands], np.float32)
    mean, deviation = found.T[:, None, None, :, None, None]
    return mean, deviation


def unknown_bands(experiment: Experiment, name: str, known: Sequence[str]) -> SpecError:
    """Returns the error of an input with bands of which the model knows nothing."""
    return SpecError(
        f"inputs.{name}.bands: expected some of {choices(known)} with encoder {experiment.model.encoder}, "
        f"found {choices(experiment.inputs[name].band_names)}"
    )

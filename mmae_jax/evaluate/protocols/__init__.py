"""How targets are learnt from frozen vectors, by published protocols.

`torchgeo_bench` and `olmoearth` are the settings of torchgeo-bench and of OlmoEarth's evaluations: scores compare with
theirs alone, since the same vectors score differently by the two.
"""

from __future__ import annotations

from collections.abc import Mapping

from immutabledict import immutabledict

from mmae_jax.evaluate.protocols import dense
from mmae_jax.evaluate.protocols.knn import NearestNeighbours
from mmae_jax.evaluate.protocols.linear import Regularised
from mmae_jax.evaluate.protocols.probe import Probe
from mmae_jax.evaluate.protocols.protocol import Fitted, Labelled, Protocol
from mmae_jax.spec import SpecError
from mmae_jax.spec.error import choices

__all__ = ["DEFAULT_PRESET", "PRESETS", "PROTOCOLS", "Fitted", "Labelled", "Protocol", "protocol"]

PRESETS = ("torchgeo_bench", "olmoearth")
DEFAULT_PRESET = PRESETS[0]

PROTOCOLS: Mapping[str, Mapping[str, Protocol]] = immutabledict(
    knn=immutabledict(
        torchgeo_bench=NearestNeighbours(neighbours=5),
        olmoearth=NearestNeighbours(neighbours=20, temperature=0.07),
    ),
    linear=immutabledict(
        torchgeo_bench=Regularised(),
        olmoearth=Probe(),
    ),
    dense=immutabledict(
        torchgeo_bench=dense.TORCHGEO_BENCH,
        olmoearth=dense.OLMOEARTH,
    ),
)
"""Name → preset → protocol."""


def protocol(name: str, preset: str = DEFAULT_PRESET) -> Protocol:
    """Returns a protocol by name and preset.

    Raises:
      SpecError: there is no such protocol or preset.
    """
    if name not in PROTOCOLS:
        raise SpecError(f"protocol: expected {choices(list(PROTOCOLS))}, found {name}")
    if preset not in PROTOCOLS[name]:
        raise SpecError(f"preset: expected {choices(list(PROTOCOLS[name]))}, found {preset}")
    return PROTOCOLS[name][preset]

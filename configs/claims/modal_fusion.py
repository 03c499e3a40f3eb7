"""Similar sensors in one encoder, dissimilar ones each in its own?

About 40 runs of 30 s each on made-up landscapes.

    python -m mmae_jax claims modal_fusion --out=DIR
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

from configs.claims._common import SUPERVISED, Inputs, landscape

RADAR, IMAGES = "configs/trial_fields.py:s1_asc,s1_des", "configs/trial_fields.py:s2,aerial"


def get_claim(inputs: Inputs = None) -> dict[str, Any]:
    """Returns the claim, of each pair of sensors: similar are those of the same bands.

    Raises:
      ValueError: there is one sensor only.
    """
    bands = {"s1_asc": "radar", "s1_des": "radar", "s2": "optical", "aerial": "aerial"}
    if inputs is not None:
        bands = {name: str(one["bands"]) for name, one in inputs.items()}
    arms: dict[str, Any] = {}
    comparisons = {}
    for pair in combinations(bands, 2) if inputs is not None else (("s1_asc", "s1_des"), ("s2", "aerial")):
        together, apart = (f"{' and '.join(pair)} {how}" for how in ("early", "late"))
        names = {f"inputs.{name}.name_group": name for name in (bands if inputs is not None else pair)}
        shared = dict.fromkeys([f"inputs.{name}.name_group" for name in pair], "_and_".join(pair))
        same = {"model.fusion": "group", "model.inter_depth": 0}
        arms[together], arms[apart] = dict(fields={**same, **names, **shared}), dict(fields={**same, **names})
        similar = bands[pair[0]] == bands[pair[1]]
        better, worse = (together, apart) if similar else (apart, together)
        says = "one encoder beats one for each" if similar else "an encoder for each beats one for both"
        kind = "similar" if similar else "dissimilar"
        comparisons[" ".join(pair)] = dict(says=f"{pair[0]} and {pair[1]}, {kind}: {says}", better=better, worse=worse)
    if not comparisons:
        raise ValueError("expected an experiment with two sensors or more")
    radar, images = "s1_asc s1_des", "s2 aerial"
    level = {"told_by": "level"}
    return dict(
        question="Similar sensors in one encoder, dissimilar ones each in its own?",
        published="early fusion of similar sensors, late fusion of dissimilar ones (arXiv 2508.10894)",
        arms=arms,
        comparisons=comparisons,
        landscapes={}
        if inputs is not None
        else {
            "orbits tell together": landscape({"radar": "difference"}, {radar: True}, RADAR, SUPERVISED),
            "each orbit tells": landscape({"radar": "each"}, {radar: False}, RADAR, SUPERVISED),
            "much noise": landscape({**level, "noise": 2.0}, {images: True}, IMAGES, SUPERVISED),
            "little noise": landscape({**level, "noise": 0.5}, {images: False}, IMAGES, SUPERVISED),
        },
    )

"""Do separate tokens for groups of bands pay?

About 20 runs of 40 s each on made-up landscapes.

    python -m mmae_jax claims separate_tokens --out=DIR
"""

from __future__ import annotations

from typing import Any

from configs.claims._common import S2, SUPERVISED, Inputs, landscape

GROUPS = [["B02", "B03", "B04"], ["B06", "B07", "B08"], ["B11", "B12"]]
"""Of the made-up Sentinel-2."""


def get_claim(inputs: Inputs = None) -> dict[str, Any]:
    """Returns the claim, of all inputs whose targets are normalised by groups of bands.

    Raises:
      ValueError: there are none.
    """
    if inputs is None:
        fields = {"inputs.s2.bands": GROUPS}
    else:
        fields = {f"inputs.{name}.bands": split(one) for name, one in inputs.items() if len(split(one)) > 1}
    if not fields:
        raise ValueError("expected an input with one group of bands and several of `norm_bands`")
    says = "a token for each group of bands beats one for all, with targets normalised by group either way"
    return dict(
        question="Do separate tokens for groups of bands pay, beyond targets normalised by group?",
        published="no better than normalisation by group alone (arXiv 2508.10894)",
        arms={"separate tokens": dict(fields=fields), "joint tokens": dict(fields={})},
        comparisons={"separate": dict(says=says, better="separate tokens", worse="joint tokens")},
        landscapes={
            "haze": landscape(
                {"told_by": "order", "haze": True, "noise": 0.3},
                {"separate": True},
                S2,
                {**SUPERVISED, "model.inter_depth": 0},
            ),
            "level tells": landscape(
                {"told_by": "level", "noise": 0.5}, {"separate": False}, S2, {**SUPERVISED, "model.inter_depth": 0}
            ),
        },
    )


def split(one: dict[str, Any]) -> list[list[str]]:
    """Returns the bands of an input in the groups of `norm_bands`; in one where they are in groups already."""
    if len(one["bands"]) > 1 or not one.get("norm_bands"):
        return [list(one["bands"][0])]
    bands, groups = list(one["bands"][0]), []
    for length in one["norm_bands"]:
        groups.append(bands[:length])
        bands = bands[length:]
    return groups

"""Do joint blocks behind the encoders of sensors pay?

About 20 runs of 30 s each on made-up landscapes.

    python -m mmae_jax claims inter_depth --out=DIR
"""

from __future__ import annotations

from typing import Any

from configs.claims._common import SUPERVISED, Inputs, landscape

RADAR = "configs/trial_fields.py:s1_asc,s1_des"


def get_claim(inputs: Inputs = None) -> dict[str, Any]:
    """Returns the claim."""
    fusion = {"model.fusion": "mod"}
    return dict(
        question="Do blocks that see all sensors, behind an encoder for each, pay?",
        published="3 joint blocks of 12 are the reference's default (arXiv 2508.10894)",
        arms={
            "last block joint": dict(fields={**fusion, "model.inter_depth": 1}),
            "no block joint": dict(fields={**fusion, "model.inter_depth": 0}),
        },
        comparisons={
            "joint": dict(says="the last block joint beats none", better="last block joint", worse="no block joint")
        },
        landscapes={
            "orbits tell together": landscape({"radar": "difference"}, {"joint": True}, RADAR, SUPERVISED),
            "each orbit tells": landscape({"radar": "each"}, {"joint": False}, RADAR, SUPERVISED),
        },
    )

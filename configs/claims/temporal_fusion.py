"""Does a model that sees all dates together beat one that sees them one by one?

About 20 runs of 30 s each on made-up landscapes.

    python -m mmae_jax claims temporal_fusion --out=DIR
"""

from __future__ import annotations

from typing import Any

from configs.claims._common import S2, SUPERVISED, Inputs, landscape

MEANS = {"model.head": "linear"}
"""Pooling by attention compares dates, too, and now and then finds the order behind an encoder of single dates."""


def get_claim(inputs: Inputs = None) -> dict[str, Any]:
    """Returns the claim."""
    early = ("shared", "mod", "group") if inputs and len(inputs) > 1 else ("mod",)
    arms = {name: dict(fields={"model.fusion": name, "model.inter_depth": 0}) for name in (*early, "monotemp")}
    says = "all dates in one sequence ({}) beat dates one by one (monotemp)"
    comparisons = {name: dict(says=says.format(name), better=name, worse="monotemp") for name in early}
    verdicts = {"mod": True}, {"mod": False}
    return dict(
        question="Does a model that sees all dates together beat one that sees them one by one?",
        published="3 to 3.6 points less for models of one date (arXiv 2508.10894)",
        arms=arms,
        comparisons=comparisons,
        landscapes={
            "order tells": landscape({"told_by": "order", "noise": 0.75}, verdicts[0], S2, {**SUPERVISED, **MEANS}),
            "level tells": landscape({"told_by": "level", "noise": 0.5}, verdicts[1], S2, SUPERVISED),
        },
    )

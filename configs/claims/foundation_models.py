"""Would an off-the-shelf model do?

About 30 runs of 60 s each on made-up landscapes. A model of single dates stands for those off the shelf; how published
ones do on your data is a matter of `train` and `evaluate` (docs/foundation_models.md).

    python -m mmae_jax claims foundation_models --out=DIR
"""

from __future__ import annotations

from typing import Any

from configs.claims._common import PRETRAINED, S2, Inputs, landscape

MASK = {"mask.dates": 0.5, "mask.mod": 0.0, "mask.loc": 0.0}


def get_claim(inputs: Inputs = None) -> dict[str, Any]:
    """Returns the claim: heads are learnt on frozen encoders."""
    both = {"phases": ["pretrain", "probe"]}
    single = {**both, "model.fusion": "monotemp", "model.inter_depth": 0, "mask.dates": 0.0}
    order, level = {"told_by": "order", "noise": 0.5}, {"told_by": "level", "noise": 0.5}
    fields = {**PRETRAINED, **MASK, "inputs.s2.patch_size": 2}
    return dict(
        question="Would the frozen encoder of a model of single dates do, or even random features?",
        published="most foundation models are behind, as they see one date at a time (arXiv 2508.10894)",
        arms={
            "all dates": dict(fields=both),
            "single dates": dict(fields=single),
            "random features": dict(fields={"phases": ["probe"]}),
        },
        comparisons={
            "single": dict(
                says="pretrained on all dates beats on single dates", better="all dates", worse="single dates"
            ),
            "random": dict(says="pretrained beats random features", better="all dates", worse="random features"),
        },
        landscapes={
            "order tells": landscape(order, {"single": True, "random": True}, S2, fields),
            "level tells": landscape(level, {"single": False, "random": False}, S2, fields),
        },
    )

"""Do masks that hide whole dates and sensors pay?

About 30 runs of 60 s each on made-up landscapes.

    python -m mmae_jax claims masking --out=DIR
"""

from __future__ import annotations

from typing import Any

from configs.claims._common import PRETRAINED, S2, Inputs, landscape

FEW = {"phases": ["pretrain", "finetune"], "finetune.label_fraction": 0.05, "inputs.s2.patch_size": 2}


def get_claim(inputs: Inputs = None) -> dict[str, Any]:
    """Returns the claim."""
    none = {"mask.mod": 0.0, "mask.dates": 0.0, "mask.loc": 0.0, "mask.bands": 0.0}
    whole = (
        {**none, "mask.dates": 0.5}
        if inputs is None or len(inputs) == 1
        else {**none, "mask.mod": 0.25, "mask.dates": 0.25}
    )
    order = {"told_by": "order", "noise": 0.5}
    return dict(
        question="Does hiding whole dates (and sensors) in pretraining beat hiding tokens one by one?",
        published="a quarter each of sensors, dates and places is the reference's default (arXiv 2508.10894)",
        arms={"whole dates hidden": dict(fields=whole), "single tokens hidden": dict(fields=none)},
        comparisons={
            "whole": dict(
                says="hiding whole dates beats hiding single tokens",
                better="whole dates hidden",
                worse="single tokens hidden",
            )
        },
        landscapes={
            "pixels alike": landscape({**order, "texture": "uniform"}, {"whole": True}, S2, {**PRETRAINED, **FEW}),
            "pixels apart": landscape({**order, "texture": "mixed"}, {"whole": False}, S2, {**PRETRAINED, **FEW}),
        },
    )

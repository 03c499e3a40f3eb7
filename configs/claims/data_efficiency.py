"""Does a pretrained model need fewer labels?

About 30 runs of 30 s each on made-up landscapes.

    python -m mmae_jax claims data_efficiency --out=DIR
"""

from __future__ import annotations

from typing import Any

from configs.claims._common import PRETRAINED, S2, Inputs, landscape

SHARE = 0.2


def get_claim(inputs: Inputs = None) -> dict[str, Any]:
    """Returns the claim."""
    few = {"phases": ["finetune"], "finetune.label_fraction": SHARE}
    fewer = f"pretrained, {100 * SHARE:g} % of labels"
    order = {"told_by": "order", "noise": 0.3}
    return dict(
        question="Does a pretrained model with a fifth of the labels do as well as one from scratch with all?",
        published="not asked in this form",
        arms={
            "pretraining": dict(fields={"phases": ["pretrain"]}),
            fewer: dict(fields=few, after="pretraining"),
            "from scratch, all labels": dict(fields={"phases": ["finetune"]}),
        },
        comparisons={
            "fifth": dict(
                says="pretrained with a fifth of the labels, at most a point behind scratch with all",
                better=fewer,
                worse="from scratch, all labels",
                least=-0.01,
            )
        },
        landscapes={
            "order tells": landscape(order, {"fifth": True}, S2, PRETRAINED),
            "much noise": landscape({"told_by": "level", "noise": 3.0}, {"fifth": False}, S2, PRETRAINED),
        },
    )

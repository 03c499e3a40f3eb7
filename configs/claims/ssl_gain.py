"""Does pretraining pay, by share of the labels?

About 70 runs of 30 s each on made-up landscapes.

    python -m mmae_jax claims ssl_gain --out=DIR
"""

from __future__ import annotations

from typing import Any

from configs.claims._common import PRETRAINED, S2, Inputs, landscape

SHARES = (0.05, 0.2, 1.0)


def get_claim(inputs: Inputs = None) -> dict[str, Any]:
    """Returns the claim: finetuned from pretrained weights, or in the same way from random ones."""
    arms: dict[str, Any] = {"pretraining": dict(fields={"phases": ["pretrain"]})}
    comparisons = {}
    for share in SHARES:
        labels = f"{100 * share:g} % of labels"
        fields = {"phases": ["finetune"], "finetune.label_fraction": share}
        arms[f"pretrained, {labels}"] = dict(fields=fields, after="pretraining")
        arms[f"from scratch, {labels}"] = dict(fields=fields)
        comparisons[f"{share:g}"] = dict(
            says=f"with {labels}, pretraining beats none",
            better=f"pretrained, {labels}",
            worse=f"from scratch, {labels}",
        )
    order, level = {"told_by": "order", "noise": 0.75}, {"told_by": "level", "noise": 0.3}
    return dict(
        question="Does pretraining on all tiles pay, where a share of them is labelled?",
        published="3.5 to 6 points over supervised training (arXiv 2508.10894)",
        arms=arms,
        comparisons=comparisons,
        landscapes={
            "order tells": landscape(order, {"0.05": True}, S2, PRETRAINED),
            "level tells": landscape(level, {"0.05": False, "0.2": False, "1": False}, S2, PRETRAINED),
        },
    )

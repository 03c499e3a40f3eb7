"""Does it pay to normalise reconstruction targets by groups of bands?

About 60 runs of 30 s each on made-up landscapes.

    python -m mmae_jax claims norm_groups --out=DIR
"""

from __future__ import annotations

from typing import Any

from configs.claims._common import PRETRAINED, S2, Inputs, landscape

AERIAL = "configs/trial_fields.py:aerial"
FEW = {"phases": ["pretrain", "finetune"], "finetune.label_fraction": 0.1}
LONGER = {"pretrain.epochs": 90, "pretrain.base_lr": 2e-4}
"""For 1,000 steps the loss hardly falls; with fewer or larger ones, some draws learn nothing."""
RAW = {"inputs.s2.mean": None, "inputs.s2.std": None, "inputs.s2.norm_fac": 500.0}
"""Bands that are standardised one by one hardly need groups."""


def get_claim(inputs: Inputs = None) -> dict[str, Any]:
    """Returns the claim, of each input whose targets are normalised by groups of bands.

    Raises:
      ValueError: there are none.
    """
    if inputs is None:
        groups = {"s2": {3: [3, 3, 2], 2: [3, 5], 1: [8]}, "aerial": {2: [1, 3], 1: [4]}}
    else:
        several = {
            name: list(one["norm_bands"]) for name, one in inputs.items() if len(one.get("norm_bands") or ()) > 1
        }
        groups = {name: {len(lengths): lengths, 1: [sum(lengths)]} for name, lengths in several.items()}
    if not groups:
        raise ValueError("expected an input with several `norm_bands`")
    arms, comparisons = {}, {}
    for name, of_input in groups.items():
        for number, lengths in of_input.items():
            arms[arm(name, number)] = dict(fields={f"inputs.{name}.norm_bands": lengths})
            if number > 1:
                says = f"{name}: targets normalised by {number} groups of bands beat one group"
                comparisons[f"{name} {number}"] = dict(says=says, better=arm(name, number), worse=arm(name, 1))
    long = {**PRETRAINED, **FEW, **LONGER, **RAW}
    faint = landscape({"bands": "faint", "noise": 0.3}, {"s2 3": True, "s2 2": True}, S2, long)
    level = {"told_by": "level", "noise": 0.3}
    return dict(
        question="Does it pay to normalise reconstruction targets by groups of bands that go together?",
        published="three groups of Sentinel-2 0.9 to 1.7 points, two groups of aerial bands nothing (arXiv 2508.10894)",
        arms=arms,
        comparisons=comparisons,
        landscapes={}
        if inputs is not None
        else {
            "visible light is faint": faint,
            "all bands tell": landscape(level, {"s2 3": False, "s2 2": False}, S2, {**PRETRAINED, **FEW, **RAW}),
            "aerial": landscape(
                {"noise": 0.3}, {"aerial 2": False}, AERIAL, {**PRETRAINED, **FEW, "finetune.label_fraction": 1.0}
            ),
        },
    )


def arm(name: str, number: int) -> str:
    """Returns the name of an arm."""
    return f"{name}, {number} group{'s' * (number > 1)}"

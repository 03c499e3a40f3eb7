"""What claims have in common: settings of runs on made-up landscapes."""

from __future__ import annotations

from typing import Any

S2 = "configs/trial_fields.py:s2"
SUPERVISED = {"phases": ["finetune"], "finetune.epochs": 30, "finetune.base_lr": 3e-4}
"""As many steps for each kind of run; the last epoch counts."""
PRETRAINED = {
    "pretrain.epochs": 60,
    "pretrain.base_lr": 5e-4,
    "probe.epochs": 30,
    "probe.base_lr": 1e-3,
    "finetune.epochs": 30,
    "finetune.base_lr": 3e-4,
    "model.inter_depth": 0,
}
Inputs = dict[str, dict[str, Any]] | None
"""Inputs of the experiment that is asked, by name; None on made-up landscapes."""


def landscape(truth: dict[str, Any], verdicts: dict[str, bool], config: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Returns a landscape, see `mmae_jax.claims.claim.Landscape`."""
    return dict(truth=truth, verdicts=verdicts, config=config, fields=fields)

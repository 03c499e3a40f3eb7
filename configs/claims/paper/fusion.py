"""Fusion: what may attend to what, from one date of one sensor to all dates of all sensors.

    python -m mmae_jax claims paper_fusion --data=DIR --out=OUT

The paper's figures are not here: its text was not to be had when this was written, and no figure is made up. What it
says of dates (3 to 3.6 points less for models that see one at a time) is the difference of `monotemp` and `mod`; of
similar sensors, that of `mod` and `group`; joint blocks let dissimilar ones meet, late.
"""

from __future__ import annotations

from typing import Any

from configs.claims.paper._common import DATASETS, row

MODES = {
    "shared": "one date of one sensor, one encoder for all",
    "monotemp": "one date of one sensor, an encoder a sensor",
    "mod": "all dates of one sensor",
    "group": "all dates of similar sensors",
}


def get_table() -> dict[str, Any]:
    """Returns the table: modes without joint blocks, which two of them cannot have, and MAESTRO, which has three."""
    modes = {
        mode: row(f"{mode}: {says}", {}, {"model.fusion": mode, "model.inter_depth": 0}) for mode, says in MODES.items()
    }
    return dict(
        title="Fusion modes, intra-dataset, weighted F1 and mean IoU of the test split",
        source="",
        datasets=DATASETS,
        rows={**modes, "maestro": row("MAESTRO: group, and three joint blocks", {}, {})},
    )

"""Table 1: MAESTRO pretrained on a dataset's own tiles, and the same network without, on four datasets.

    python -m mmae_jax claims paper_table_1 --data=DIR --out=OUT

By its own estimate about ten days on one H200, most of them on FLAIR-HUB; `--cost` tells what it is on your devices.
"""

from __future__ import annotations

from typing import Any

from configs.claims.paper._common import DATASETS, README, row, scores


def get_table() -> dict[str, Any]:
    """Returns the table. Previous results of others, its last row, are not to be had here."""
    return dict(
        title="Table 1: intra-dataset, weighted F1 and mean IoU of the test split",
        source=README,
        datasets=DATASETS,
        rows={
            "maestro": row("MAESTRO", scores(78.8, 68.6, 62.6, 65.9), {}),
            "maestro_twice": row(
                "MAESTRO, pretrained twice as long", scores(79.4, 69.0, 63.3, 65.8), {"pretrain.epochs": 200}
            ),
            "vit": row("ViT without pretraining", scores(75.6, 64.5, 58.2, 62.1), {"phases": ["finetune"]}),
        },
    )

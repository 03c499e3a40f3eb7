"""Table 2: models pretrained elsewhere: MAESTRO on another dataset, and foundation models of others as adapted there.

    python -m mmae_jax claims paper_table_2 --data=DIR --weights=WEIGHTS --out=OUT

WEIGHTS holds publishers' files, each by the name of its encoder: `dinov2.safetensors`, `croma.pt`, …
(docs/foundation_models.md says from where, under which licence). MAESTRO's own pretraining is taken from there, too,
where it is (`maestro_flair_hub`, `maestro_s2_naip_urban`), else done first: days on one accelerator.
"""

from __future__ import annotations

from typing import Any

from configs.claims.paper._common import DATASETS, PRETRAINING, README, scores
from mmae_jax.spec import FOUNDATION_MODELS

FOUNDATION = {
    "dinov2": scores(76.7, 64.4, 64.2, 66.0),
    "dinov2_sat": scores(76.3, 64.0, 63.5, 66.0),
    "dofa": scores(76.0, 62.9, 62.3, 65.1),
    "croma": scores(70.5, 65.0, 39.0, 44.3),
    "prithvi": scores(75.6, 66.2, 41.8, 44.9),
    "satmae": scores(76.9, 66.6, 42.5, 45.0),
}
MAESTRO = {
    "flair_hub": {"treesatai_ts": 79.6, "pastis_hd": 68.0},
    "s2_naip_urban": scores(78.8, 67.4, 62.6, 64.6),
}
"""Dataset of pretraining → published scores."""
AERIAL = {"inputs.aerial.image_size": 240, "inputs.aerial.patch_size": 16}
"""Aerial images of TreeSatAI-TS have as many patches, of the size in pretraining."""


def get_table() -> dict[str, Any]:
    """Returns the table."""
    return dict(
        title="Table 2: cross-dataset, weighted F1 and mean IoU of the test split",
        source=README,
        datasets={**DATASETS, **PRETRAINING},
        weights={**{name: _publishers(name) for name in FOUNDATION}, **{_named(name): _own(name) for name in MAESTRO}},
        rows={
            **{_named(source): _maestro(source, scores) for source, scores in MAESTRO.items()},
            **{encoder: _foundation(encoder, scores) for encoder, scores in FOUNDATION.items()},
        },
    )


def _named(source: str) -> str:
    return f"maestro_{source}"


def _publishers(encoder: str) -> dict[str, Any]:
    published = FOUNDATION_MODELS[encoder]
    return dict(about=f"{published.file} ({published.licence})")


def _own(source: str) -> dict[str, Any]:
    return dict(about="a run, or weights of the reference", config=f"configs/{source}.py", dataset=source)


def _maestro(source: str, published: dict[str, float]) -> dict[str, Any]:
    cells = {
        name: dict(
            config=f"configs/cross_dataset.py:{source}.{name}",
            fields=AERIAL if name == "treesatai_ts" else {},
            published=score,
            weights=_named(source),
        )
        for name, score in published.items()
    }
    return dict(title=f"MAESTRO pretrained on {({**DATASETS, **PRETRAINING})[source]['title']}", cells=cells)


def _foundation(encoder: str, published: dict[str, float]) -> dict[str, Any]:
    cells = {
        name: dict(
            config=f"configs/foundation_models.py:{encoder},{name},published",
            fields={},
            published=score,
            weights=encoder,
        )
        for name, score in published.items()
    }
    return dict(title=FOUNDATION_MODELS[encoder].title, cells=cells)

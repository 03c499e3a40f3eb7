"""What tables of arXiv 2508.10894 have in common: the datasets, and where the published figures are from."""

from __future__ import annotations

from typing import Any

README = "README of https://github.com/IGNF/MAESTRO, commit 6a30075"
F1, IOU = "treesat_mlc_thresh/weighted_f1", "cosia/average_iou"

DATASETS: dict[str, dict[str, Any]] = {
    "treesatai_ts": dict(title="TreeSatAI-TS", prepare="treesatai_ts", metric=F1),
    "pastis_hd": dict(title="PASTIS-HD", prepare="pastis_hd", metric="pastis_seg/average_iou"),
    "flair2": dict(title="FLAIR#2", prepare="flair_hub --version=flair2", metric=IOU),
    "flair_hub": dict(title="FLAIR-HUB", prepare="flair_hub", metric=IOU),
}
PRETRAINING: dict[str, dict[str, Any]] = {
    "s2_naip_urban": dict(title="S2-NAIP urban", prepare="s2_naip_urban"),
}
"""Datasets without labels."""


def row(title: str, published: dict[str, float], fields: dict[str, Any]) -> dict[str, Any]:
    """Returns a row of the experiments of the datasets.

    Args:
      title: of the row.
      published: dataset → published score [%], where it is known.
      fields: dotted name of a field → its value, where it differs from the dataset's experiment.
    """
    cells = {name: dict(config=f"configs/{name}.py", fields=fields, published=published.get(name)) for name in DATASETS}
    return dict(title=title, cells=cells)


def scores(*published: float) -> dict[str, float]:
    """Returns published scores [%] by dataset, in the order of `DATASETS`."""
    return dict(zip(DATASETS, published, strict=True))

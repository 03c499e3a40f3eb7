"""`python -m data_prep band_groups DIR`: which bands of a modality are so alike that they are one group.

Hierarchical clustering (average linkage) of the bands, at distance `1 − correlation` over pixels without clouds or
snow where a mask tells. Bands of a group are normalised together in the reconstruction target (`norm_bands`), or
become a token of their own (`bands`).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from data_prep.arguments import path
from data_prep.errors import DataPrepError
from data_prep.statistics import collect, summarise
from data_prep.statistics.command import FILE

THRESHOLD = 0.1
"""Of two bands, which merge only once: they are one group if they correlate by 0.9."""


@dataclasses.dataclass(frozen=True)
class Groups:
    """A partition of bands.

    Attributes:
      members: bands of each group, in stored order; groups in the order of their first bands.
      heights: distances at which clusters merge, ascending, `[C − 1]`.
      linkage: scipy's linkage matrix `[C − 1, 4]`.
      threshold: clusters nearer than this are one group.
    """

    members: tuple[tuple[str, ...], ...]
    heights: tuple[float, ...]
    linkage: np.ndarray
    threshold: float

    @property
    def norm_bands(self) -> list[int]:
        """Lengths of the groups."""
        return [len(group) for group in self.members]

    def __str__(self) -> str:
        order = [band for group in self.members for band in group]
        merges = " ".join(f"{height:.3g}{'' if height <= self.threshold else '*'}" for height in self.heights)
        return "\n".join(
            [
                f"merges at distance 1 − correlation: {merges} (* above the threshold {self.threshold:.3g})",
                *(f"  group {number}: {' '.join(group)}" for number, group in enumerate(self.members, 1)),
                "joint tokens, target normalised by group:",
                f"  bands=[{json.dumps(order)}],",
                f"  norm_bands={self.norm_bands},",
                "or one token a group:",
                f"  bands={json.dumps([list(group) for group in self.members])},",
            ]
        )


def group_bands(bands: Sequence[str], correlation: np.ndarray, threshold: float | None = None) -> Groups:
    """Returns the groups of strongly correlated bands.

    Args:
      bands: C names, at least 2.
      correlation: `[C, C]`; a band without variance (NaN) correlates with none.
      threshold: largest average distance `1 − correlation` within a group; by default in the middle of the widest gap
        between two merges, which is where groups are told apart most clearly.
    """
    distance = 1 - np.nan_to_num(np.asarray(correlation, float), nan=0.0)
    distance = np.clip((distance + distance.T) / 2, 0, 2)
    np.fill_diagonal(distance, 0)
    linkage = hierarchy.linkage(squareform(distance, checks=False), "average")
    threshold = _widest_gap(linkage[:, 2]) if threshold is None else threshold
    labels = hierarchy.fcluster(linkage, threshold, "distance")
    members = [
        tuple(band for band, other in zip(bands, labels, strict=True) if other == label)
        for label in dict.fromkeys(labels.tolist())
    ]
    return Groups(tuple(members), tuple(float(height) for height in linkage[:, 2]), linkage, threshold)


def _widest_gap(heights: np.ndarray) -> float:
    if len(heights) < 2:
        return THRESHOLD
    place = int(np.argmax(np.diff(heights)))
    return float(heights[place] + heights[place + 1]) / 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments to its parser."""
    parser.add_argument("directory", type=path, metavar="DIR", help="folder of shards")
    parser.add_argument("--modality", default="s2", help="whose bands to group (default: s2)")
    parser.add_argument("--threshold", type=_distance, help="distance (default: in the widest gap)")
    parser.add_argument("--out", type=path, help="folder for the figure (default: DIR/statistics)")
    parser.set_defaults(run=_run)


def _distance(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value < 2:
        raise argparse.ArgumentTypeError(f"expected a distance above 0 and below 2, found {text!r}")
    return value


def _run(options: argparse.Namespace) -> None:
    from data_prep.statistics.figures import dendrogram  # not at the top: see statistics.command
    from mmae_jax.report import save_png

    bands, correlation = read_correlation(options.directory, options.modality)
    if len(bands) < 2:
        raise DataPrepError(
            f"--modality: expected a modality with at least two bands, found {options.modality} with {len(bands)}"
        )
    groups = group_bands(bands, correlation, options.threshold)
    file = (options.out or options.directory / "statistics") / f"{options.modality}_band_groups.png"
    save_png(dendrogram(f"{options.modality}: band groups", bands, groups.linkage, groups.threshold), file)
    print(f"{groups}\nwrote {file}")


def read_correlation(directory: Path, modality: str) -> tuple[list[str], np.ndarray]:
    """Returns the band names of a modality and their correlation, from `statistics.json` if it is there.

    Raises:
      SpecError: there are no shards in `directory`, or no such modality.
    """
    file = directory / "statistics" / FILE
    statistics = (
        json.loads(file.read_text(encoding="utf-8"))
        if file.exists()
        else summarise(collect(directory, modalities=[modality]))
    )
    found = statistics["modalities"].get(modality)
    if found is None:
        raise DataPrepError(f"--modality: expected one of {', '.join(statistics['modalities'])}, found {modality}")
    return list(found["bands"]), np.array(found["correlation"]["matrix"], float)

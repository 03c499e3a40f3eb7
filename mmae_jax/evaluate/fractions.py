"""Parts of the labels: the same for the same seed, smaller ones within larger ones, some of all classes in each."""

from __future__ import annotations

import math

import numpy as np


def order(strata: np.ndarray, seed: int) -> np.ndarray:
    """Returns the samples in an order of which every beginning is a part of the labels like the whole.

    A sample belongs to the rarest of its strata. One of each of them comes first, the rarest first; then samples of
    each come in equal steps, in an order that is drawn.

    Args:
      strata: bool `[N, K]`, as the task has them; samples without any are left out.
      seed: of the order.
    """
    rng = np.random.default_rng(seed)
    frequent = strata.sum(axis=0)
    rarest = np.where(strata, frequent, len(strata) + 1).argmin(axis=1)
    known = rng.permutation(np.flatnonzero(strata.any(axis=1)))
    position = np.zeros(len(strata))
    for stratum in np.unique(rarest[known]):
        members = known[rarest[known] == stratum]
        position[members] = (np.arange(len(members)) + rng.random()) / len(members)
        position[members[0]] = frequent[stratum] / (len(strata) + 1) - 1
    return known[np.argsort(position[known], kind="stable")]


def part(strata: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Returns the numbers of the samples of a part of the labels, ascending; arguments as of `order`.

    Args:
      strata: bool `[N, K]`.
      fraction: above 0 and up to 1; at least one sample is taken.
      seed: of the order.
    """
    ordered = order(strata, seed)
    return np.sort(ordered[: max(1, math.ceil(fraction * len(ordered) - 1e-9))])

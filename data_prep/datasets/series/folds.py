"""Folds of a cross-validation: parts of the places, none of which shares a group with another."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from data_prep.errors import DataPrepError
from mmae_jax.ranges import SEED
from mmae_jax.spec import SpecError
from mmae_jax.spec.error import shown


@dataclasses.dataclass(frozen=True)
class Folds:
    """Splits by folds of about as many places each: one tests, one or a share of the others validates, the rest trains.

    Attributes:
      of: number of folds.
      group: column whose value places of one fold share, such as a region's name; each place alone if None.
      test: the fold that tests, from 0; `--fold` takes another one.
      val: the fold that validates, which moves along with `--fold`; or the share of places that are not tested, of
        whole groups; None where nothing validates.
      seed: seed of the draw.
    """

    of: int
    group: str | None = None
    test: int = 0
    val: int | float | None = 1
    seed: int = 0

    def testing(self, fold: int) -> Folds:
        """Returns folds of which another one tests."""
        moved = (self.val + fold - self.test) % self.of if isinstance(self.val, int) else self.val
        return dataclasses.replace(self, test=fold, val=moved)

    def check(self) -> None:
        """Raises a `SpecError` at the first field that cannot be right."""
        if not _is_whole(self.of) or self.of < 2:
            raise SpecError(f"splits.of: expected two folds or more, found {shown(self.of)}")
        if self.group is not None and not isinstance(self.group, str):
            raise SpecError(f"splits.group: expected a column, found {shown(self.group)}")
        if not _is_whole(self.test) or not 0 <= self.test < self.of:
            raise SpecError(f"splits.test: expected a fold, 0 to {self.of - 1}, found {shown(self.test)}")
        if not _is_whole(self.seed) or not SEED.holds(self.seed):
            raise SpecError(f"splits.seed: expected {SEED.text}, found {shown(self.seed)}")
        self._check_val()

    def _check_val(self) -> None:
        share = isinstance(self.val, float) and 0 < self.val < 1
        other = _is_whole(self.val) and isinstance(self.val, int) and 0 <= self.val < self.of and self.val != self.test
        if self.val is not None and not share and not other:
            raise SpecError(
                f"splits.val: expected another fold than {self.test}, 0 to {self.of - 1}, a share between 0 and 1, "
                f"or None, found {shown(self.val)}"
            )
        if self.of == 2 and other:
            raise SpecError("splits.val: expected a share of the fold that does not test, as there are two, found 1")

    def splits(self, groups: Sequence[str]) -> list[str]:
        """Returns the split of each place, given the group of each; the order of places decides nothing.

        Raises:
          DataPrepError: there are fewer groups than folds, or too few for a split.
        """
        names, group, sizes = np.unique(np.array(groups), return_inverse=True, return_counts=True)
        if len(names) < self.of:
            raise DataPrepError(f"splits.of: expected at most {len(names)} folds, one a group, found {self.of}")
        order = np.random.default_rng(self.seed).permutation(len(names))
        folds = _balanced(sizes, order, self.of)
        chosen = np.full(len(names), "train", object)
        chosen[folds == self.test] = "test"
        if isinstance(self.val, int):
            chosen[folds == self.val] = "val"
        elif self.val is not None:
            rest = [one for one in order if folds[one] != self.test]
            ends = np.cumsum(sizes[rest])
            number = int(np.searchsorted(ends, self.val * ends[-1])) + 1
            chosen[rest[:number]] = "val"
        if "train" not in chosen:
            raise DataPrepError(f"splits.val: expected a share that leaves a group to train on, found {self.val}")
        return [str(chosen[one]) for one in group]


def _balanced(sizes: np.ndarray, order: np.ndarray, of: int) -> np.ndarray:
    """Returns the fold of each group: from the largest to the smallest, the one that has fewest places so far."""
    folds, filled = np.zeros(len(sizes), int), np.zeros(of, int)
    for one in order[np.argsort(-sizes[order], kind="stable")]:
        folds[one] = np.argmin(filled)
        filled[folds[one]] += sizes[one]
    return folds


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)

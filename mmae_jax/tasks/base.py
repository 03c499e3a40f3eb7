"""What the program asks of a kind of target."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from mmae_jax.metrics import Scores, Summary
from mmae_jax.spec import Dataset, SpecError, Target
from mmae_jax.spec.error import shown
from mmae_jax.tasks.weighted import Weighted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Penalty = Callable[[jax.Array], jax.Array]
"""What a difference of numbers costs, elementwise."""


class Task(abc.ABC):
    """A kind of target; `B` samples, each with one place (its tile) or one for each of its `h × w` pixels."""

    metrics: ClassVar[tuple[str, ...]]
    """Names of the overall scores."""
    per_tile: ClassVar[bool] = False
    """Whether a target may have one value for a tile (then it has no `size`)."""
    per_pixel: ClassVar[bool] = False
    """Whether a target may have one value for each pixel (then it has a `size`)."""
    has_threshold: ClassVar[bool] = False
    """Whether a target may have a threshold of stored proportions."""
    numeric: ClassVar[bool] = False
    """Whether a target is a number (then it has no `classes`)."""
    stored_dtype: ClassVar[str] = "int32"
    """Numpy dtype name of the record field of a target that has one value for a tile."""

    adds_up: ClassVar[bool] = False
    """Whether a summary of many samples is a sum, as large as that of one."""

    @property
    def monitors(self) -> tuple[str, ...]:
        """The scores by which the best epoch can be chosen: those of which more is better."""
        return self.metrics

    def check(self, name: str, target: Target, dataset: Dataset) -> None:
        """Raises a `SpecError` where the contract of the target called `name` contradicts itself or the dataset."""
        field = f"dataset.targets.{name}"
        if target.size is None and not self.per_tile:
            raise SpecError(f"{field}.size: expected the pixels per side of a {target.kind} target, found None")
        if target.size is not None and not self.per_pixel:
            raise SpecError(f"{field}.size: expected None of a {target.kind} target, found {target.size}")
        if target.threshold and not self.has_threshold:
            raise SpecError(f"{field}.threshold: expected 0 of a {target.kind} target, found {target.threshold}")
        self.check_classes(field, target)
        if target.pixel_values is not None:
            self.check_pixel_values(field, target, dataset)

    def check_classes(self, field: str, target: Target) -> None:
        """Raises a `SpecError` where `classes` of the target called `field` are missing, or those of a number."""
        if self.numeric != (not target.classes):
            kind = target.kind
            wanted = f"none of a {kind} target" if self.numeric else f"the names of a {kind} target's classes"
            raise SpecError(f"{field}.classes: expected {wanted}, found {shown(target.classes)}")

    def check_pixel_values(self, field: str, target: Target, dataset: Dataset) -> None:
        """Raises a `SpecError` where `pixel_values` cannot be used."""
        raise SpecError(
            f"{field}.pixel_values: expected one value for each of the {target.num_classes} classes "
            f"of a multilabel target, found {len(target.pixel_values or ())} of a {target.kind} target"
        )

    @abc.abstractmethod
    def outputs(self, target: Target) -> int:
        """Returns how many numbers are predicted at each place."""

    def shape(self, target: Target) -> tuple[int, ...]:
        """Returns the shape of the target's value at one place."""
        return ()

    def dtype(self, target: Target) -> str:
        """Returns the dtype of the target in a batch."""
        return target.dtype if target.is_raster else "int32"

    @abc.abstractmethod
    def from_stored(self, target: Target, stored: np.ndarray) -> np.ndarray:
        """Returns the target of a sample from its record field, cut to the crop."""

    @abc.abstractmethod
    def present(self, target: Target, targets: jax.Array) -> jax.Array:
        """Returns which places have a target: bool `[B]` or `[B, h, w]`."""

    def counted(self, target: Target, targets: jax.Array, weight: jax.Array) -> jax.Array:
        """Returns which places count, bool `[B]` or `[B, h, w]`: those that have a target in samples of weight > 0."""
        present = self.present(target, targets)
        return present & (weight.reshape(-1, *(1,) * (present.ndim - 1)) > 0)

    @abc.abstractmethod
    def error(self, predicted: jax.Array, targets: jax.Array, counted: jax.Array, penalty: Penalty) -> jax.Array:
        """Returns the training error of each place; anything finite where it is not `counted`.

        Args:
          predicted: float `[B, outputs]` or `[B, h, w, outputs]`.
          targets: the targets of a batch.
          counted: what `counted` returns.
          penalty: the experiment's, for kinds that predict numbers.
        """

    @abc.abstractmethod
    def readout(self, predicted: jax.Array) -> jax.Array:
        """Returns what the outputs at each place say, of the same shape: probabilities of classes, or numbers."""

    @abc.abstractmethod
    def summarise(self, target: Target, predicted: jax.Array, targets: jax.Array, counted: jax.Array) -> Summary:
        """Returns what the scores of a batch need; usable inside jit. Arguments as those of `error`."""

    @abc.abstractmethod
    def joined(self, target: Target, summaries: Sequence[Summary]) -> Summary:
        """Returns, on the host, the summary of all samples that some summaries hold; of none, too."""

    @abc.abstractmethod
    def scores(self, summary: Summary) -> Scores:
        """Returns the scores of a summary of `joined`; NaN where nothing was counted."""

    def by_sample(self, target: Target, predicted: jax.Array, targets: jax.Array, counted: jax.Array) -> Summary:
        """Returns what `weighted` needs of each sample, axis B first; usable inside jit. Arguments as of `error`."""
        return self.summarise(target, predicted, targets, counted)

    def total(self, target: Target, samples: Summary) -> Summary:
        """Returns the summary of all samples of `by_sample`, on the host: what `scores` takes."""
        return self.joined(target, [samples])

    @abc.abstractmethod
    def weighted(self, samples: Summary, weights: np.ndarray) -> Weighted:
        """Returns the scores under weights: more of them than training has, and its own by the same names.

        Args:
          samples: what `by_sample` returns of N samples, on the host.
          weights: float64 `[R, N]`, R sets of weights of samples.
        """

    @abc.abstractmethod
    def strata(self, target: Target, targets: np.ndarray, counted: np.ndarray) -> np.ndarray:
        """Returns which of K kinds of sample each one is, to draw some of all, bool `[N, K]`: classes it has, mostly.

        Args:
          target: what is predicted.
          targets: of N samples, as in a batch.
          counted: what `counted` returns.
        """

    @abc.abstractmethod
    def figures(self, title: str, target: Target, scores: Scores) -> Mapping[str, Figure]:
        """Draws scores: name of the figure → figure. Drawing is imported here: readers of records do without it."""

    @abc.abstractmethod
    def tally(self, target: Target, fields: Sequence[np.ndarray]) -> Any:
        """Counts values of one tile, whose blocks have `fields`: of pixels where it is a raster, else of the tile.

        What is returned adds up over tiles with `+`; kinds with classes return a `Counter` of stored values.
        """

    def described(self, target: Target, tally: Any) -> dict[str, Any]:
        """Returns, as JSON types, what a sum of tallies tells.

        That is, for kinds with classes, `classes` (name → count, in index order) and `ignored` (the stored values that
        losses and scores exclude → count).
        """
        left_out = {
            value: number
            for value, number in sorted(tally.items())
            if value in target.excluded or not 0 <= value < target.num_classes
        }
        classes = {name: 0 if index in left_out else tally.get(index, 0) for index, name in enumerate(target.classes)}
        return {"classes": classes, "ignored": {str(value): number for value, number in left_out.items()}}


def has_class(target: Target, targets: jax.Array) -> jax.Array:
    """Returns where class values are neither `missing_value` nor `ignored`, bool of the shape of `targets`."""
    return ~jnp.isin(targets.astype(jnp.int32), jnp.asarray(target.excluded))

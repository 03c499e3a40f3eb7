"""What is asked of a protocol: it learns a target from frozen vectors, in a fixed manner."""

from __future__ import annotations

import abc
import dataclasses
import typing
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from mmae_jax.spec import Target


@dataclasses.dataclass(frozen=True)
class Labelled:
    """Samples of a split, with one target.

    Attributes:
      vectors: float32 `[N, C]` of tiles, or `[N, g, g, C]` of patches; all are numbers.
      targets: as in a batch (`mmae_jax.data.batch.Batch`), N first.
      counted: which places have a target: bool `[N]`, or `[N, h, w]` of a raster.
    """

    vectors: np.ndarray
    targets: np.ndarray
    counted: np.ndarray


class Fitted(typing.Protocol):
    """What a protocol has learnt.

    Attributes:
      chosen: what was chosen on the validation samples, and what was found fixed, as JSON types.
      reached: the score on them by which it was chosen, more is better; None where nothing was chosen.
    """

    @property
    def reached(self) -> float | None:  # noqa: D102 (above)
        ...

    @property
    def chosen(self) -> Mapping[str, Any]:  # noqa: D102 (above)
        ...

    def outputs(self, vectors: np.ndarray) -> np.ndarray:
        """Returns float32 `[N, outputs]`, or `[N, h, w, outputs]` of a raster.

        They are what the heads of a model give for such a target: logits, or a number.

        Args:
          vectors: float32 `[N, C]` or `[N, g, g, C]`, of those on which it was fitted.
        """


class Protocol(abc.ABC):
    """How a target is learnt from frozen vectors.

    Attributes:
      name: its name on the command line.
      per: of what the vectors are where a tile has one value: `tile` or `patch`. Those of rasters are of patches.
      pools: how their tokens may be pooled (`mmae_jax.embeddings.pooling.Pooling`): that with the best score on val
        counts (`reached`).
      needs_raster: whether it is for targets with a value for each pixel alone.
    """

    name: ClassVar[str]
    per: ClassVar[str] = "tile"
    needs_raster: ClassVar[bool] = False
    pools: tuple[str, ...] = ("mean",)

    @abc.abstractmethod
    def fit(self, target: Target, train: Labelled, val: Labelled, seed: int) -> Fitted:
        """Learns a target.

        Args:
          target: its contract.
          train: samples to learn from.
          val: samples on which is chosen what the protocol leaves open.
          seed: decides what is drawn.

        Raises:
          SpecError: there is nothing to learn from, or the protocol is not for such a target.
        """

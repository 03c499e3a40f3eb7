"""The seam between an encoder and everything that uses one: heads, evaluation, embedding, prediction.

Another foundation model enters with a file of its own and a line in `ENCODERS`; an experiment chooses it by name
(`model.encoder`). Heads are put beside it (`mmae_jax/models/model.py`), so an encoder knows no targets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol

import jax
from flax import nnx
from immutabledict import immutabledict

from mmae_jax.baselines.croma import Croma
from mmae_jax.baselines.dinov2 import Dinov2, Dinov2Sat
from mmae_jax.baselines.dofa import Dofa
from mmae_jax.baselines.prithvi import Prithvi
from mmae_jax.baselines.satmae import SatMAE
from mmae_jax.models.mmae import MMAE
from mmae_jax.models.samples import Samples
from mmae_jax.parallel import Path
from mmae_jax.spec import Experiment, SpecError
from mmae_jax.spec.error import shown

Arrays = dict[str, jax.Array]


class Encoder(Protocol):
    """What is asked of an encoder, an `nnx.Module`.

    No parameter of it may be called `heads` at the top level: that name is taken by the heads beside it.

    Attributes:
      pretraining_only: top-level names of the parameters that `features` does not use; finetuning leaves them alone.
    """

    pretraining_only: ClassVar[frozenset[str]]

    def __init__(self, experiment: Experiment, *, rngs: nnx.Rngs) -> None: ...

    @classmethod
    def layers_to_heads(cls, experiment: Experiment, path: Path) -> int | tuple[int, ...]:
        """Returns how far below the heads a parameter is, by its path: layer decay slows it down so often.

        Returns:
          0 for what only the heads are above, 1 for the last block …; a number for each index of the leading layer axis
          where blocks are stacked.
        """

    @classmethod
    def is_new(cls, experiment: Experiment, path: Path) -> bool:
        """Returns whether no weights are published of a parameter: it is trained where others are frozen."""

    @property
    def width(self) -> int:
        """Width E of an encoded token."""

    def available(self, samples: Samples) -> Arrays:
        """Returns which tokens are there.

        Returns:
          Input → bool `[B, T, L]`: T tokens (dates, band groups) at each of the L = grid² positions, row by row; a
          date is there at all positions or at none. Inputs stand in the experiment's order.
        """

    def features(self, samples: Samples) -> Arrays:
        """Returns the encoded tokens, nothing masked: input → `[B, T, L, E]`, laid out and ordered as `available`."""


ENCODERS: Mapping[str, type[Encoder]] = immutabledict(
    mmae=MMAE,
    dinov2=Dinov2,
    dinov2_sat=Dinov2Sat,
    dofa=Dofa,
    croma=Croma,
    prithvi=Prithvi,
    satmae=SatMAE,
)


def encoder_class(experiment: Experiment) -> type[Encoder]:
    """Returns the class of an experiment's encoder.

    Raises:
      SpecError: `model.encoder` names none.
    """
    name = experiment.model.encoder
    if name not in ENCODERS:
        raise SpecError(f"model.encoder: expected one of {', '.join(ENCODERS)}, found {shown(name)}")
    return ENCODERS[name]

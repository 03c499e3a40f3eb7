"""What has to be known of a publisher's state dict: its names, and which tensors are of no use here."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from mmae_jax.spec import Experiment
from mmae_jax.weights.torch_names import Weight

Tensors = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Names:
    """The names of one foundation model.

    Attributes:
      weights: the tensors that the model of an experiment takes, and where each goes, which may be several places.
      renamed: brings other names that the same weights are published by, prefixes included, to those of `weights`.
      dropped: beginnings of the names of tensors that the model has no use for, such as those of a decoder.
      check: raises a `SpecError` where tensors that are not taken are not what the model computes instead.
    """

    weights: Callable[[Experiment], list[Weight]]
    renamed: Callable[[Tensors], dict[str, np.ndarray]] = dict
    dropped: tuple[str, ...] = ()
    check: Callable[[Tensors, Experiment], None] = lambda tensors, experiment: None


@dataclasses.dataclass(frozen=True)
class BandKernel(Weight):
    """The kernel of a patch embedding `[E, channels, P, P]`, of which an input takes the channels of its bands.

    Attributes:
      channels: the channel of each known band, in the order of the input's bands.
    """

    channels: tuple[int, ...] = ()

    def from_torch(self, tensor: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Returns `[P², known bands, E]`."""
        chosen = tensor.reshape(*self.shape[:2], -1)[:, list(self.channels)]
        return np.ascontiguousarray(chosen.transpose(2, 1, 0).reshape(shape))


def without_prefix(tensors: Tensors, prefix: str) -> dict[str, np.ndarray]:
    """Returns tensors, where any name begins with a prefix those alone, without it."""
    cut = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    return cut or dict(tensors)

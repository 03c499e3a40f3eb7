"""Which of a foundation model's channels each band of an input starts from."""

from __future__ import annotations

from collections.abc import Mapping

from immutabledict import immutabledict

from mmae_jax.spec import Experiment

RGB: Mapping[str, int] = immutabledict(
    {
        **dict.fromkeys(("R", "red", "B04", "B4"), 0),
        **dict.fromkeys(("G", "green", "B03", "B3"), 1),
        **dict.fromkeys(("B", "blue", "B02", "B2"), 2),
    }
)
"""Contract's name of a band → red, green, blue; `B4`, `B3`, `B2` are Landsat 8's and 9's."""

Channels = tuple[int | None, ...]
"""For each band of an input, the channel whose weights it starts from; None for a band that the model never saw."""


def channels_of(experiment: Experiment, name: str, known: Mapping[str, int]) -> Channels:
    """Returns the channels of the bands of an input.

    Where the defect `band_order` is repeated, the first bands are the channels in their order, whatever they measure.

    Args:
      experiment: gives the input called `name`.
      name: name of the input.
      known: contract's name of a band → channel, of the model.
    """
    bands = experiment.inputs[name].band_names
    if experiment.model.foundation.repeats("band_order"):
        number = len(set(known.values()))
        return tuple(index if index < number else None for index in range(len(bands)))
    return tuple(known.get(band) for band in bands)

"""What a map tells of each pixel, one file each: classes or numbers, probabilities, uncertainty, what was observed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from mmae_jax import tasks
from mmae_jax.spec import Experiment, SpecError, Target

STEPS = 250
"""Probabilities and uncertainties are stored as whole numbers of 1/250; 255 is nodata."""
NODATA = 255


@dataclasses.dataclass(frozen=True)
class Blended:
    """What the squares together tell of some pixels.

    Attributes:
      values: float32 `[H, W, outputs]`, as the task reads its outputs.
      observed: uint8 `[inputs, H, W]`, percent of an input's dates that were observed.
    """

    values: np.ndarray
    observed: np.ndarray

    @property
    def seen(self) -> np.ndarray:
        """Where any input was observed, bool `[H, W]`."""
        return np.asarray(self.observed.any(axis=0))


@dataclasses.dataclass(frozen=True)
class Layer:
    """One file of a map.

    Attributes:
      name: its part of the file's name; empty for the map itself.
      bands: what each band holds.
      dtype: of the pixels.
      nodata: what stands where no input was observed.
      scale: pixels times this are the values.
      classes: names of the values from 0 on, where they are classes.
      colours: one `#rrggbb` a class.
      resampling: of overviews.
      pixels: from what was blended to `[bands, H, W]`.
    """

    name: str
    bands: tuple[str, ...]
    dtype: str
    nodata: float
    pixels: Callable[[Blended], np.ndarray]
    scale: float = 1.0
    classes: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    resampling: str = "average"

    def of(self, blended: Blended) -> np.ndarray:
        """Returns the pixels `[bands, H, W]`, nodata where nothing was observed."""
        pixels = self.pixels(blended).astype(self.dtype)
        return np.where(blended.seen, pixels, np.asarray(self.nodata, self.dtype))


def layers_of(experiment: Experiment, name: str, *, probabilities: bool, uncertainty: bool) -> tuple[Layer, ...]:
    """Returns the files of the map of a target with a value for each pixel: first the map, last what was observed.

    Raises:
      SpecError: a number has neither probabilities nor uncertainty.
    """
    target = experiment.dataset.targets[name]
    quality = Layer("quality", tuple(experiment.inputs), "uint8", NODATA, lambda blended: blended.observed)
    if tasks.of(target).numeric:
        if probabilities or uncertainty:
            raise SpecError(f"--{'probabilities' if probabilities else 'uncertainty'}: {name} is a number, not a class")
        number = Layer("", (target.field,), "float32", float("nan"), lambda blended: blended.values[None, ..., 0])
        return number, quality
    found = [_classes(target)]
    if probabilities:
        found.append(Layer("probabilities", target.classes, "uint8", NODATA, _probabilities, scale=1 / STEPS))
    if uncertainty:
        found.append(Layer("uncertainty", ("entropy",), "uint8", NODATA, _entropy, scale=1 / STEPS))
    return (*found, quality)


def _classes(target: Target) -> Layer:
    small = target.num_classes <= NODATA
    return Layer(
        "",
        (target.field,),
        "uint8" if small else "uint16",
        NODATA if small else 2**16 - 1,
        lambda blended: blended.values.argmax(axis=-1)[None],
        classes=target.classes,
        colours=tuple(target.colours or colours(target.num_classes)) if small else (),
        resampling="mode",
    )


def _probabilities(blended: Blended) -> np.ndarray:
    return np.moveaxis(np.rint(blended.values * STEPS), -1, 0)


def _entropy(blended: Blended) -> np.ndarray:
    """Returns Shannon's entropy of the classes, divided by its largest value."""
    share = np.clip(blended.values, 1e-12, 1)
    entropy = -(share * np.log(share)).sum(axis=-1) / np.log(max(2, share.shape[-1]))
    return np.rint(np.clip(entropy, 0, 1) * STEPS)[None]


def colours(number: int) -> Sequence[str]:
    """Returns as many colours that differ, as `#rrggbb`: those of all figures, or 40 hues and brightnesses in turn."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    from mmae_jax.report.style import PALETTE

    if number <= len(PALETTE):
        return PALETTE[:number]
    hues = [to_hex(colour) for name in ("tab20", "tab20b") for colour in colormaps[name].colors]  # type: ignore[attr-defined]
    return [hues[index % len(hues)] for index in range(number)]

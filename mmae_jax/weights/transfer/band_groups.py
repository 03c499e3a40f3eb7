"""Bands and band groups of one input in the weights of another, by name."""

from __future__ import annotations

import dataclasses
import math
import zlib
from collections.abc import Mapping

import numpy as np

from mmae_jax.spec import NEW, Input
from mmae_jax.spec.error import choices
from mmae_jax.weights.torch_names import Weight
from mmae_jax.weights.transfer.patch_resize import embedding_resized, pixels_resized


@dataclasses.dataclass(frozen=True)
class Grouping:
    """Where the bands of an input are found in the weights of another.

    Attributes:
      here: the input.
      there: the input whose weights are taken.
      places: band → number of its group and place in it there; None where the band is new.
      unknown: band that is found nowhere → the bands that are there.
      seed: draws new bands.
    """

    here: Input
    there: Input
    places: Mapping[str, tuple[int, int] | None]
    unknown: Mapping[str, str]
    seed: int

    @classmethod
    def of(cls, name: str, here: Input, there: Input, stated: Mapping[str, str], seed: int) -> Grouping:
        """Returns the places of the bands of `here`: those of the same name, unless another one is `stated`."""
        known = {band: (g, place) for g, group in enumerate(there.bands) for place, band in enumerate(group)}
        wanted = {band: stated.get(band, band) for band in here.band_names}
        unknown = {band: choices(known) for band, source in wanted.items() if source != NEW and source not in known}
        places = {band: None if source == NEW else known.get(source) for band, source in wanted.items()}
        return cls(here, there, places, unknown, zlib.crc32(f"{seed}/{name}".encode()))

    @property
    def nearest_groups(self) -> list[int]:
        """The group there that has most bands of each group here."""
        nearest = []
        for group in self.here.bands:
            places = [place[0] for place in (self.places[band] for band in group) if place is not None]
            nearest.append(max(dict.fromkeys(places), key=places.count) if places else 0)
        return nearest

    @property
    def groups_told(self) -> str:
        """What is done to the groups, for people."""
        return f"{len(self.there.bands)} → {len(self.here.bands)} band groups"

    def groups_fit(self, number: int) -> bool:
        """Returns whether weights of so many groups are those of `there`."""
        return number == len(self.there.bands)

    def tensor(self, weight: Weight, source: str, tensors: Mapping[str, np.ndarray]) -> tuple[np.ndarray, str, str]:
        """Returns a tensor of a patch embedding or pixel projection.

        Args:
          weight: the tensor here, `<family>.<embedding>.<list>.<group>.<rest>`.
          source: the module there, `<family>.<embedding>`.
          tensors: PyTorch name → array there.

        Returns:
          The array, the name of the tensor that most of it is from, and how it was changed, empty if not at all.

        Raises:
          KeyError: a tensor is not there or of another shape; the argument says what is expected.
        """
        family, _, groups, number, *rest = weight.name.split(".")
        group, nearest = int(number), self.nearest_groups[int(number)]

        def name_there(index: int) -> str:
            return ".".join([source, groups, str(index), *rest])

        name, same = name_there(nearest), self._same_bands(group)
        per_band = family == "embed_to_rec" or rest == ["conv", "weight"]
        if not per_band or (same and weight.shape == _array(tensors, name).shape):
            array = _array(tensors, name)
            if array.shape != weight.shape:
                raise KeyError(f"shape {weight.shape} in {name}, found {array.shape}")
            told = "" if per_band or len(self.there.bands) == len(self.here.bands) else self.groups_told
            return array, name, told
        kernels = {
            index: self._square(_array(tensors, name_there(index)), index, weight, name_there(index))
            for index in range(len(self.there.bands))
        }
        old = kernels[nearest].shape[-1]
        if any(kernel.shape[-1] != old for kernel in kernels.values()):
            raise KeyError(f"patches of {old} pixels in all band groups of {source}, found others")
        bands = [self._band(band, kernels, nearest, weight) for band in self.here.bands[group]]
        side = self.here.patch_size
        resized = embedding_resized if family == "patch_embed" else pixels_resized
        square = np.stack(bands)  # `[bands, …, P, P]`
        square = square if old == side else resized(square, side)
        array = np.moveaxis(square, 0, 1) if family == "patch_embed" else np.moveaxis(square, (-2, -1, 0), (0, 1, 2))
        return np.ascontiguousarray(array.reshape(weight.shape)), name, self._told(group, old)

    def _same_bands(self, group: int) -> bool:
        """Returns whether a group is one of those there, band by band."""
        places = [self.places[band] for band in self.here.bands[group]]
        nearest = self.nearest_groups[group]
        return places == [(nearest, index) for index in range(len(self.there.bands[nearest]))]

    def _square(self, array: np.ndarray, group: int, weight: Weight, name: str) -> np.ndarray:
        """Returns weights of a group there by band and pixel: `[bands, …, P, P]`."""
        bands, embeds = len(self.there.bands[group]), weight.name.startswith("patch_embed.")
        width = slice(0, 1) if embeds else slice(1, None)
        if array.ndim != len(weight.shape) or array.shape[width] != weight.shape[width]:
            raise KeyError(f"width {weight.shape[width]} in {name}, found shape {array.shape}")
        if embeds:
            if array.shape[1] != bands or array.shape[2] != array.shape[3]:
                raise KeyError(f"{bands} bands and square patches in {name}, found shape {array.shape}")
            return np.moveaxis(array, 1, 0)
        side = math.isqrt(array.shape[0] // bands)
        if side * side * bands != array.shape[0]:
            raise KeyError(f"{bands} bands of square patches in {name}, found shape {array.shape}")
        return np.moveaxis(array.reshape(side, side, bands, *array.shape[1:]), (2, 0, 1), (0, -2, -1))

    def _band(self, band: str, kernels: Mapping[int, np.ndarray], nearest: int, weight: Weight) -> np.ndarray:
        place = self.places[band]
        if place is not None:
            return kernels[place[0]][place[1]]
        like = kernels[nearest][0]
        bound = 1 / math.sqrt(math.prod(weight.shape[1:])) if weight.name.endswith("weight") else 0.0
        seed = [self.seed, zlib.crc32(f"{weight.name}/{band}".encode())]
        return np.random.default_rng(seed).uniform(-bound, bound, like.shape).astype(like.dtype)

    def _told(self, group: int, old: int) -> str:
        """Returns how the weights of a group were changed, for people."""
        bands, told = self.here.bands[group], []
        renamed = {band: place for band, place in ((band, self.places[band]) for band in bands) if place is not None}
        others = [
            f"{band} from {self.there.bands[g][place]}"
            for band, (g, place) in renamed.items()
            if self.there.bands[g][place] != band
        ]
        fresh = [f"{band} new" for band in bands if self.places[band] is None]
        if len(self.there.bands) != len(self.here.bands):
            told.append(self.groups_told)
        if not self._same_bands(group):
            told.append(", ".join(["bands by name", *others, *fresh]))
        if old != self.here.patch_size:
            told.append(f"patches of {old} → {self.here.patch_size} pixels")
        return ", ".join(told)


def _array(tensors: Mapping[str, np.ndarray], name: str) -> np.ndarray:
    if name not in tensors:
        raise KeyError(f"{name}, which is not there")
    return tensors[name]

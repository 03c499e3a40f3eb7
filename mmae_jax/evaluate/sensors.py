"""What each sensor is worth: samples of which a model sees but some inputs or dates, and how clear their sky was.

What is not seen is unavailable, as that of a sensor that did not look (docs/design.md, decision 8): shapes stay as they
are, so that one compiled program computes all of it.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from tqdm import tqdm

from mmae_jax.contract.codec import Record
from mmae_jax.data.batch import Batch
from mmae_jax.data.dates import missing_values
from mmae_jax.embeddings.places import Area
from mmae_jax.embeddings.samples import About, Source
from mmae_jax.embeddings.tiles import ShardSamples
from mmae_jax.formats import seal_of
from mmae_jax.spec import Experiment

PARTS = 3
"""Of the samples, by how clear they are."""


@dataclasses.dataclass(frozen=True)
class Seen:
    """What a model sees of samples.

    Attributes:
      inputs: names of the inputs that are there.
      dates: of each input, so many dates of those that are there, evenly spread; all if None.
    """

    inputs: tuple[str, ...]
    dates: int | None = None

    def __call__(self, source: Source) -> Source:
        """Returns the samples of which but this is seen; what is kept of them is not taken for that of others."""
        everything = set(self.inputs) == set(source.experiment.inputs) and self.dates is None
        return source if everything else SeenSamples(source, self)


class SeenSamples:
    """Samples of which but a part is seen, in the order of their source."""

    def __init__(self, source: Source, seen: Seen) -> None:
        self._source, self._seen = source, seen
        self.experiment, self.origins = source.experiment, source.origins
        self.fingerprint = seal_of({"source": source.fingerprint, "seen": dataclasses.asdict(seen)})

    @property
    def area(self) -> Area | None:
        """That of the source."""
        return self._source.area

    def __len__(self) -> int:
        return len(self._source)

    def sample(self, index: int) -> tuple[Batch, About]:
        """Returns a sample and what is known of it; raises as that of the source."""
        sample, about = self._source.sample(index)
        valid, dates = {}, {}
        for name, there in sample["valid"].items():
            kept = np.zeros(len(there), bool)
            if name in self._seen.inputs:
                kept[spread(np.flatnonzero(there.any(axis=(1, 2))), self._seen.dates)] = True
            valid[name] = there & kept[:, None, None]
            # as of dates that are missing
            dates[name] = np.where(kept[:, None], sample["dates"][name], sample["ref_date"])
        return sample | {"valid": valid, "dates": dates}, about


def spread(places: np.ndarray, number: int | None) -> np.ndarray:
    """Returns so many of some places, evenly spread: the middle ones of as many equal runs; all if None."""
    if number is None or number >= len(places):
        return places
    return places[(2 * np.arange(number) + 1) * len(places) // (2 * number)]


def subsets(experiment: Experiment) -> list[Seen]:
    """Returns all inputs, all but each, and each alone; of one input there is nothing but all."""
    names = tuple(experiment.inputs)
    without = [tuple(name for name in names if name != off) for off in names] if len(names) > 2 else []
    alone = [(name,) for name in names] if len(names) > 1 else []
    return [Seen(inputs) for inputs in (names, *without, *alone)]


def fewer_dates(experiment: Experiment) -> list[Seen]:
    """Returns all inputs with 1, 2, 4, … dates each, below the most that one has."""
    most = max(one.num_dates for one in experiment.inputs.values())
    return [Seen(tuple(experiment.inputs), 1 << power) for power in range((most - 1).bit_length())]


def optical_series(experiment: Experiment) -> tuple[str, ...]:
    """Returns the inputs that clouds hide: those with masks of them, or else the series that are no radar's."""
    with_masks = [name for name in experiment.inputs if experiment.modality(name).mask_channels]
    series = [name for name, one in experiment.inputs.items() if one.num_dates > 1]
    return tuple(with_masks or [name for name in series if not experiment.modality(name).decibel])


def skies(samples: ShardSamples) -> tuple[np.ndarray, list[About]]:
    """Returns how clear the sky of samples was, and what is known of them.

    Returns:
      float64 `[N]`, which share of the pixels of all acquisitions of the optical series could be used: masked and
      missing pixels (docs/method.md §2.2) could not. NaN where a sample has no such acquisition.

    Raises:
      DataError: a record is damaged.
    """
    names, found, known = optical_series(samples.experiment), np.full(len(samples), np.nan), []
    for index in tqdm(range(len(samples)), desc="clouds", unit="tile", leave=False, delay=3):
        record, about = samples.stored(index)
        usable = [_usable(samples.experiment, name, record) for name in names]
        if total := sum(len(pixels) for pixels in usable):
            found[index] = sum(pixels.sum() for pixels in usable) / total
        known.append(about)
    return found, known


def _usable(experiment: Experiment, name: str, record: Record) -> np.ndarray:
    """Returns bool `[T · h · w]`: could a pixel be used?"""
    stored = record[experiment.modality_name(name)]
    missing = missing_values(stored["pixels"], experiment.modality(name).nodata)
    shape = (len(stored["pixels"]), *stored["pixels"].shape[2:])
    usable = np.ones(shape, bool) if missing is None else ~missing.any(axis=1)
    if (masks := stored.get("mask")) is not None:
        usable = usable & ~(masks > experiment.inputs[name].mask_threshold).any(axis=1)
    return usable.ravel()


def by_clouds(shares: np.ndarray) -> list[np.ndarray]:
    """Returns the numbers of the samples of each third, those under most clouds first; none where all are as clear."""
    known = np.flatnonzero(np.isfinite(shares))
    if len(known) < PARTS or np.ptp(shares[known]) == 0:
        return []
    order = known[np.argsort(shares[known], kind="stable")]
    return [np.sort(part) for part in np.array_split(order, PARTS)]

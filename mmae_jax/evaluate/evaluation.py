"""Scores of models by protocols, beside those of controls, with intervals and differences (docs/evaluation.md)."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from absl import logging

from mmae_jax import tasks
from mmae_jax.embeddings.embedded import Embedded
from mmae_jax.embeddings.pooling import Pooling
from mmae_jax.evaluate import predictions
from mmae_jax.evaluate.attentive import probed
from mmae_jax.evaluate.bootstrap import Interval, Resampled, resampled
from mmae_jax.evaluate.calibration import calibration
from mmae_jax.evaluate.candidate import Candidate
from mmae_jax.evaluate.controls import BandStatistics, Majority
from mmae_jax.evaluate.fractions import part
from mmae_jax.evaluate.groups import GroupBy, numbered
from mmae_jax.evaluate.predictions import Predictions
from mmae_jax.evaluate.protocols import DEFAULT_PRESET, Fitted, Labelled, Protocol, protocol
from mmae_jax.evaluate.samples import Known, Reading, groups_of, labelled, parted
from mmae_jax.evaluate.sensors import Seen
from mmae_jax.spec import SpecError, Target
from mmae_jax.spec.error import choices

CHECKPOINT, UNTRAINED, BANDS, MAJORITY = "checkpoint", "untrained", "band_statistics", "majority"
"""Of what a score is: the model, or one of the controls; that of another model is called by its path."""
FINETUNED, ATTENTIVE = "finetuned", "attentive"
"""Protocols that need the model itself; the others learn from its vectors."""
TRAIN, VAL = "train", "val"


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is evaluated.

    Attributes:
      protocols: names of protocols.
      preset: whose settings they have.
      split: what is scored.
      fractions: shares of the labels that are learnt from and chosen by.
      seeds: each part of the labels is drawn, and each probe learnt, by each of them.
      group_by: what samples that depend on each other have in common.
      controls: whether controls are scored, too.
      draws: of the bootstrap.
    """

    protocols: tuple[str, ...]
    preset: str = DEFAULT_PRESET
    split: str = "test"
    fractions: tuple[float, ...] = (1.0,)
    seeds: tuple[int, ...] = (0,)
    group_by: GroupBy = GroupBy()  # noqa: RUF009 (frozen)
    controls: bool = True
    draws: int = 1000

    @property
    def parts(self) -> list[tuple[float, int]]:
        """Fractions and seeds."""
        return [(fraction, seed) for fraction in self.fractions for seed in self.seeds]


@dataclasses.dataclass(frozen=True)
class Scored:
    """Scores of a target by one protocol.

    Attributes:
      target: name of the target.
      protocol: name of the protocol.
      of: whose predictions they are.
      fraction: share of the training labels that was learnt from.
      seed: by which it was drawn.
      chosen: what the protocol chose.
      tested: predictions of the split.
      resampled: its scores and those of the bootstrap's draws.
      calibration: as `calibration` returns it.
      groups: number of groups of samples.
      inputs: names of the inputs that were seen.
      dates: of each input so many dates were seen; all if None.
      clouds: how clear the sky of the samples was, where they are a part of the split; None where they are all of it.
    """

    target: str
    protocol: str
    of: str
    fraction: float
    seed: int
    chosen: Mapping[str, Any]
    tested: Predictions
    resampled: Resampled
    calibration: dict[str, Any] | None
    groups: int
    inputs: tuple[str, ...]
    dates: int | None = None
    clouds: str | None = None


@dataclasses.dataclass(frozen=True)
class Difference:
    """How much better a score is than another one, of the same samples.

    Attributes:
      scored: what is compared.
      against: with what.
      metrics: metric → difference.
    """

    scored: Scored
    against: Scored
    metrics: Mapping[str, Interval]


class Evaluation:
    """Evaluates models on the same samples."""

    def __init__(
        self,
        plan: Plan,
        reading: Reading,
        model: Candidate,
        against: Candidate | None = None,
        seen: Seen | None = None,
    ) -> None:
        """Checks what is asked for.

        Args:
          plan: what is evaluated.
          reading: from where samples are read.
          model: the model.
          against: another model to compare it with.
          seen: what models see of the samples; all if None.

        Raises:
          SpecError: a split is missing, a head was not trained, or a protocol is not for a target.
        """
        self._plan, self._reading, self._model, self._seen = plan, reading, model, seen
        self._models = {CHECKPOINT: model} | ({} if against is None else {against.where: against})
        self._targets = {name: model.model.experiment.dataset.targets[name] for name in reading.targets}
        self.splits = reading.splits(model)
        learns = [name for name in plan.protocols if name != FINETUNED]
        for split in (plan.split, *([TRAIN] if learns or plan.controls else [])):
            if split not in self.splits:
                raise SpecError(f"{reading.shards}: expected a split {split}, found {choices(list(self.splits))}")
        if learns and plan.split == TRAIN:
            raise SpecError(f"--split: expected another one than {TRAIN}, from which {learns[0]} learns")
        tiles = [name for name, target in self._targets.items() if not target.is_raster]
        for name in learns:
            if tiles and name != ATTENTIVE and protocol(name, plan.preset).needs_raster:
                expected = "expected a target with a value for each pixel"
                raise SpecError(f"--protocol={name}: {expected}, found {tiles[0]}; choose one by --target")
        if FINETUNED in plan.protocols:
            for each in self._models.values():
                _check_heads(each, reading.targets)

    def run(self) -> Iterator[Scored]:
        """Yields the scores, one after the other."""
        for name in self._plan.protocols:
            if name == FINETUNED:
                yield from self._finetuned()
            elif name == ATTENTIVE:
                yield from self._attentive()
            else:
                yield from self._of_vectors(name)
        if self._plan.controls and self._seen is None:
            yield from self._controls()

    def _finetuned(self) -> Iterator[Scored]:
        for of, candidate in self._models.items():
            yield from self._of_heads(FINETUNED, of, candidate, 1.0, self._plan.seeds[0])

    def _attentive(self) -> Iterator[Scored]:
        for of, candidate in self._with_untrained.items():
            for fraction, seed in self._plan.parts:
                yield from self._of_heads(
                    ATTENTIVE, of, probed(candidate, self._reading, fraction, seed), fraction, seed
                )

    def _of_heads(self, name: str, of: str, candidate: Candidate, fraction: float, seed: int) -> Iterator[Scored]:
        tested, known = predictions.of_heads(candidate, self._reading, self._plan.split, self._seen)
        chooses = self._plan.split != VAL and VAL in self.splits
        val = predictions.of_heads(candidate, self._reading, VAL, self._seen)[0] if chooses else {}
        for target in self._targets:
            yield self._scored(target, name, of, (fraction, seed), {}, tested[target], val.get(target), known)

    def _of_vectors(self, name: str) -> Iterator[Scored]:
        asked = protocol(name, self._plan.preset)
        for target, contract in self._targets.items():
            per = "patch" if contract.is_raster else asked.per
            for of, candidate in self._with_untrained.items():

                def vectors(pool: str, split: str, candidate: Candidate = candidate, per: str = per) -> Embedded:
                    return self._reading.vectors(candidate, split, Pooling(per, pool), self._seen)

                yield from self._learnt(target, name, of, asked, vectors, self._plan.parts)

    def _controls(self) -> Iterator[Scored]:
        for target, contract in self._targets.items():

            def vectors(_: str, split: str, contract: Target = contract) -> Embedded:
                pooling = BandStatistics("patch" if contract.is_raster else "tile")
                return self._reading.vectors(self._model, split, pooling)

            linear = protocol("linear", DEFAULT_PRESET)
            yield from self._learnt(target, linear.name, BANDS, linear, vectors, self._plan.parts)
            whole = [(1.0, self._plan.seeds[0])]
            yield from self._learnt(target, MAJORITY, MAJORITY, Majority(), vectors, whole)

    @functools.cached_property
    def _with_untrained(self) -> dict[str, Candidate]:
        """The models, and the same network untrained where controls are scored; drawn once."""
        controls = self._plan.controls and self._seen is None
        return self._models | ({UNTRAINED: self._model.untrained()} if controls else {})

    def _learnt(
        self,
        name: str,
        by: str,
        of: str,
        asked: Protocol,
        vectors: Callable[[str, str], Embedded],
        parts: Sequence[tuple[float, int]],
    ) -> Iterator[Scored]:
        """Yields the scores of a target that is learnt from vectors: by split and pooling."""
        target = self._targets[name]
        samples = {pool: self._samples(name, functools.partial(vectors, pool)) for pool in asked.pools}
        known = vectors(asked.pools[0], self._plan.split)
        for fraction, seed in parts:
            fitted, chooses = {}, {}
            for pool, (train, val, _) in samples.items():
                # of both, as some protocols learn from what they choose by, too
                used, chooses[pool] = (_share(target, labels, fraction, seed) for labels in (train, val))
                logging.info("%s: %s by %s of %d samples, seed %d", name, of, by, len(used.targets), seed)
                fitted[pool] = asked.fit(target, used, chooses[pool], seed)
            pool = max(fitted, key=lambda pool: _reached(fitted[pool]))
            best, val, tested = fitted[pool], chooses[pool], samples[pool][2]
            chosen = dict(best.chosen) | ({"pool": pool} if len(samples) > 1 else {})
            of_val = predictions.of_vectors(target, best, val) if len(val.targets) else None
            found = predictions.of_vectors(target, best, tested)
            yield self._scored(name, by, of, (fraction, seed), chosen, found, of_val, known)

    def _samples(self, name: str, vectors: Callable[[str], Embedded]) -> tuple[Labelled, Labelled, Labelled]:
        """Returns what is learnt from, chosen by and scored."""
        target, tested = self._targets[name], vectors(self._plan.split)
        val = vectors(VAL) if VAL in self.splits and self._plan.split != VAL else None
        learnt = parted(vectors(TRAIN), val, tested, self._plan.group_by)
        usual = _usual(learnt.train.vectors[learnt.train_rows])
        return (
            labelled(target, name, learnt.train, learnt.train_rows, usual),
            labelled(target, name, learnt.val, learnt.val_rows, usual),
            labelled(target, name, tested, np.arange(len(tested.names)), usual),
        )

    def _scored(
        self,
        name: str,
        by: str,
        of: str,
        learnt: tuple[float, int],
        chosen: Mapping[str, Any],
        tested: Predictions,
        val: Predictions | None,
        known: Known | Embedded,
    ) -> Scored:
        target, groups = self._targets[name], numbered(groups_of(known, self._plan.group_by))
        return Scored(
            target=name,
            protocol=by,
            of=of,
            fraction=learnt[0],
            seed=learnt[1],
            chosen=chosen,
            tested=tested,
            resampled=resampled(target, tested.samples, groups, self._plan.draws),
            calibration=calibration(target, tested.places, None if val is None else val.places),
            groups=int(groups.max(initial=-1)) + 1,
            inputs=tuple(self._model.model.experiment.inputs) if self._seen is None else self._seen.inputs,
            dates=None if self._seen is None else self._seen.dates,
        )


def differences(scored: Sequence[Scored]) -> list[Difference]:
    """Returns how much better the model is than each control, and than the model it is held against.

    Statistics of bands are held against every protocol, with as many labels drawn by the same seed; what is most
    frequent against all that saw all labels.
    """
    found = []
    for one in scored:
        if one.of != CHECKPOINT:
            continue
        for other in scored:
            same = other.protocol == one.protocol or other.of in (BANDS, MAJORITY)
            alike = (other.target, other.fraction, other.seed) == (one.target, one.fraction, one.seed)
            if other.of != CHECKPOINT and same and alike:
                found.append(Difference(one, other, one.resampled.minus(other.resampled)))
    return found


def _check_heads(candidate: Candidate, targets: Sequence[str]) -> None:
    """Raises a `SpecError` where the head of a target was not trained."""
    if lacking := [name for name in targets if name not in candidate.trained_heads]:
        raise SpecError(
            f"--protocol={FINETUNED}: {candidate.where} has no trained head for {lacking[0]}; "
            "choose a phase that trains it, or a protocol that learns one"
        )


def _share(target: Target, samples: Labelled, fraction: float, seed: int) -> Labelled:
    """Returns samples with a share of the labels; all of them where it is 1."""
    if fraction == 1:
        return samples
    strata = tasks.of(target).strata(target, samples.targets, samples.counted)
    if not strata.any():
        return samples
    rows = part(strata, fraction, seed)
    return Labelled(samples.vectors[rows], samples.targets[rows], samples.counted[rows])


def _reached(fitted: Fitted) -> float:
    return -np.inf if fitted.reached is None else fitted.reached


def _usual(vectors: np.ndarray) -> np.ndarray:
    """Returns the mean of the vectors that are there, `[C]`: what stands for numbers that are missing."""
    rows = vectors.reshape(-1, vectors.shape[-1]).astype(np.float64)
    there = np.isfinite(rows)
    usual: np.ndarray = np.where(there, rows, 0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    return usual.astype(np.float32)

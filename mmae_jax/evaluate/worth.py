"""Scores with each sensor switched off and alone, with fewer dates, and under more and fewer clouds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from mmae_jax.embeddings.tiles import open_samples
from mmae_jax.evaluate.bootstrap import resampled
from mmae_jax.evaluate.candidate import Candidate
from mmae_jax.evaluate.evaluation import ATTENTIVE, CHECKPOINT, Evaluation, Plan, Scored
from mmae_jax.evaluate.groups import numbered
from mmae_jax.evaluate.predictions import Predictions
from mmae_jax.evaluate.samples import Known, Reading, groups_of
from mmae_jax.evaluate.sensors import by_clouds, fewer_dates, skies, subsets


def worth(plan: Plan, reading: Reading, model: Candidate, scored: Sequence[Scored]) -> Iterator[Scored]:
    """Yields the scores of a model that sees but a part of the samples, and those of parts of the samples.

    Protocols learn anew from vectors of what is seen, from all labels; heads stay as they were trained. Probes that are
    trained with the model (`attentive`) are left out, but for clouds.

    Args:
      plan: what was evaluated.
      reading: from where samples are read.
      model: the model.
      scored: its scores where it sees everything.
    """
    experiment = model.model.experiment
    protocols = tuple(name for name in plan.protocols if name != ATTENTIVE)
    partly = dataclasses.replace(plan, protocols=protocols, fractions=(1.0,), controls=False)
    for seen in (*subsets(experiment)[1:], *fewer_dates(experiment)):
        yield from Evaluation(partly, reading, model, seen=seen).run()
    yield from under_clouds(plan, reading, model, scored)


def under_clouds(plan: Plan, reading: Reading, model: Candidate, scored: Sequence[Scored]) -> Iterator[Scored]:
    """Yields the model's scores of each third of the samples, by how clear their sky was.

    Nothing where it was as clear for all, or no optical series is seen.
    """
    shares, abouts = skies(open_samples(reading.experiment(model), reading.shards, (plan.split,)))
    places = [about.place for about in abouts]
    known = Known(
        np.array([about.name for about in abouts]),
        np.array([place.crs for place in places]),
        np.array([place.centre for place in places]),
    )
    names = groups_of(known, plan.group_by)
    for rows in by_clouds(shares):
        clear = f"{100 * shares[rows].min():.0f}–{100 * shares[rows].max():.0f} % clear"
        groups = numbered(names[rows])
        for one in scored:
            if one.of != CHECKPOINT or one.fraction != 1:
                continue
            samples = {name: values[rows] for name, values in one.tested.samples.items()}
            target = model.model.experiment.dataset.targets[one.target]
            assert len(shares) == len(next(iter(one.tested.samples.values()))), "the same samples in the same order"
            yield dataclasses.replace(
                one,
                tested=Predictions(samples, one.tested.places),
                resampled=resampled(target, samples, groups, plan.draws),
                calibration=None,
                groups=int(groups.max(initial=-1)) + 1,
                clouds=clear,
            )

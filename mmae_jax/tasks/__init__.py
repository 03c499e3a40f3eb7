"""Kinds of target, one module each: what is predicted, how it is trained, scored, checked and shown.

A new kind is a module with a `Task`, and its line in `TASKS`.
"""

from __future__ import annotations

from collections.abc import Mapping

from immutabledict import immutabledict

from mmae_jax.spec import Experiment, SpecError, Target
from mmae_jax.spec.error import shown
from mmae_jax.tasks.base import Task
from mmae_jax.tasks.classif import Classif
from mmae_jax.tasks.multilabel import Multilabel
from mmae_jax.tasks.regression import Regression
from mmae_jax.tasks.segment import Segment

TASKS: Mapping[str, Task] = immutabledict(
    classif=Classif(),
    multilabel=Multilabel(),
    regression=Regression(),
    segment=Segment(),
)


def of(target: Target) -> Task:
    """Returns the task of a target's kind.

    Raises:
      SpecError: there is no such kind.
    """
    if target.kind not in TASKS:
        raise SpecError(f"kind: expected one of {', '.join(TASKS)}, found {shown(target.kind)}")
    return TASKS[target.kind]


def scores(experiment: Experiment) -> list[str]:
    """Returns the scores of an experiment's targets as logs name them, `target/score`; the first one is its own."""
    targets = {name: of(experiment.dataset.targets[name]) for name in experiment.targets}
    return [f"{name}/{score}" for name, task in targets.items() for score in task.monitors]

"""Numbers of a step that are not finite: the run stops and keeps what can explain it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

import numpy as np

from mmae_jax.exit_codes import Ending
from mmae_jax.spec import SpecError
from mmae_jax.train.session import Session
from mmae_jax.train.state import TrainState
from mmae_jax.weights.checkpoint import Checkpoints
from mmae_jax.weights.progress import Progress

FOLDER = "diverged"


class DivergedError(Ending):
    """The loss is not finite; the message names phase, step, input or target, and what is saved where."""


def not_finite(scalars: Mapping[str, float]) -> str:
    """Returns the names of the numbers of a step that are not finite, empty where all are."""
    return ", ".join(name.removeprefix("loss/") for name, value in scalars.items() if not np.isfinite(value))


def stop_diverged(problem: str, state: TrainState, session: Session) -> NoReturn:
    """Saves `state` for inspection and stops; a continued run goes on from the last checkpoint instead.

    Args:
      problem: phase, step and what is not finite.
      state: the state at hand: after the step of the problem, or one more.
      session: the phase's session.

    Raises:
      DivergedError: always.
    """
    session.checkpoints.wait()
    phase, latest = session.program.phase, session.checkpoints.latest_step
    folder = session.checkpoints.directory
    before = "no checkpoint before it" if latest is None else f"last checkpoint {folder / str(latest)}"
    raise DivergedError(
        f"{problem}; {before}; {_save(state, session)}; the same command would come here again: "
        f"change {phase}.base_lr, model.dtype or the data, in another workdir"
    )


def _save(state: TrainState, session: Session) -> str:
    step, program = int(state.step), session.program
    folder = session.workdir / program.phase / FOLDER
    try:
        with Checkpoints(folder, program.experiment, program.phase) as diverged:
            if diverged.latest_step != step:
                diverged.save(step, state, Progress())
    except (SpecError, OSError) as error:
        return f"the state after step {step} could not be saved: {error}"
    return f"the state after step {step} is in {folder / str(step)}, to look at"

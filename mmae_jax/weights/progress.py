"""How a phase is doing by its monitored metric; stored with each checkpoint."""

from __future__ import annotations

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Progress:
    """What decides about the best checkpoint and early stopping.

    Attributes:
      best: best value of the monitored metric so far.
      best_step: step of the checkpoint with that value.
      epochs_without_improvement: epochs trained since then.
      evaluation_due: whether the epoch that ends here is still to be evaluated.
    """

    best: float | None = None
    best_step: int | None = None
    epochs_without_improvement: int = 0
    evaluation_due: bool = False

    def after(self, value: float, step: int, epochs: int = 1) -> Progress:
        """Returns the progress after an evaluation whose monitored metric is `value`; NaN is no improvement.

        Args:
          value: the monitored metric.
          step: step of the checkpoint.
          epochs: trained since the evaluation before.
        """
        if not math.isnan(value) and (self.best is None or value > self.best):
            return Progress(value, step, 0)
        return dataclasses.replace(self, epochs_without_improvement=self.epochs_without_improvement + epochs)

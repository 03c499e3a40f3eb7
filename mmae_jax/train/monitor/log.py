"""What a person and grep see of a run: metrics.jsonl, speed.jsonl, log lines, a progress bar and TensorBoard.

`metrics.jsonl` in the working directory holds only what a run determines: one JSON object a line with `phase`, `step`,
`epoch`, `split` and the values by name. An interrupted and continued run leaves the same file as an undisturbed one.
What clocks and machines determine (samples per second, memory) is in `speed.jsonl` beside it, in the same form with the
`time` in seconds since 1970; there a repeated step has another line. Log lines and TensorBoard show both.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
import types
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from absl import logging
from etils import epath
from tqdm import tqdm

from mmae_jax.train.monitor.lines import append_line, drop_torn_line, keep_lines, read_lines
from mmae_jax.train.monitor.terminal import Remaining, packed, step_line

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter

METRICS_FILE = "metrics.jsonl"
SPEED_FILE = "speed.jsonl"
FIELDS = ("phase", "step", "split")
"""What every line of the two says."""


class RunLog:
    """The log of one phase; a context manager.

    A phase that continues from step k forgets what was logged after k, in every place: lines of `metrics.jsonl`
    are dropped, TensorBoard is told to. A phase that starts anew (k = 0) forgets all of itself. `speed.jsonl` forgets
    nothing.
    """

    def __init__(
        self,
        workdir: epath.PathLike,
        phase: str,
        *,
        start_step: int = 0,
        total_steps: int | None = None,
        epochs: int | None = None,
        enabled: bool = True,
    ) -> None:
        """Opens the log.

        Args:
          workdir: folder of the run, made where absent.
          phase: name, one of `spec.PHASES`.
          start_step: steps done before.
          total_steps: steps of the whole phase, for the remaining time.
          epochs: epochs of the whole phase.
          enabled: whether to write at all; true on one host only.

        Raises:
          SpecError: a line of `metrics.jsonl` other than the last cannot be read.
        """
        self._phase = phase
        self._of_steps, self._of_epochs = ("" if total is None else f"/{total}" for total in (total_steps, epochs))
        self._remaining = Remaining(total_steps)
        self._enabled = enabled
        self._bar = tqdm(
            desc=phase,
            initial=start_step,
            total=total_steps,
            unit="step",
            disable=None if enabled else True,
            leave=False,
        )
        if enabled:
            self._metrics, self._speed = epath.Path(workdir) / METRICS_FILE, epath.Path(workdir) / SPEED_FILE
            self._metrics.parent.mkdir(parents=True, exist_ok=True)
            keep_lines(self._metrics, lambda entry: entry["phase"] != phase or _stands(entry, start_step), FIELDS)
            drop_torn_line(self._speed)
            self._board = _board(epath.Path(workdir) / "tensorboard" / phase, start_step)

    def scalars(
        self,
        step: int,
        epoch: int,
        split: str,
        values: Mapping[str, float],
        speed: Mapping[str, float] = types.MappingProxyType({}),
    ) -> None:
        """Logs numbers.

        Args:
          step: steps done in this phase.
          epoch: epochs begun or, for an evaluation, done in this phase.
          split: what the numbers are about: `train`, `val`, `test`.
          values: name → value, determined by the run; null in `metrics.jsonl` where not finite.
          speed: name → value that depends on clock or machine; in `speed.jsonl`.
        """
        if not self._enabled:
            return
        values = {name: float(value) for name, value in values.items()}
        shown = values | {name: float(value) for name, value in speed.items()}
        for name, value in shown.items():
            self._board.add_scalar(f"{split}/{name}", value, step)
        entry = {"phase": self._phase, "step": int(step), "epoch": int(epoch), "split": split}
        if values:
            append_line(self._metrics, entry | _finite(values))
        if speed:
            append_line(self._speed, entry | {"time": time.time()} | _finite(speed))
        head = f"{self._phase} step={step}{self._of_steps} epoch={epoch}{self._of_epochs}"
        if split == "train":
            lines = [step_line(f"{head}{self._remaining}", shown)]
        else:
            lines = packed(head, {f"{split}/{name}": value for name, value in shown.items()})
        with tqdm.external_write_mode(file=sys.stderr):
            for line in lines:
                logging.info("%s", line)

    def image(self, step: int, name: str, image: np.ndarray) -> None:
        """Shows an image in TensorBoard.

        Args:
          step: steps done in this phase.
          name: tag, e.g. `val/s2`.
          image: uint8 `[H, W, 3]`.
        """
        if self._enabled:
            self._board.add_image(name, image, step, dataformats="HWC")

    def progress(self, step: int) -> None:
        """Moves the progress bar to `step` steps done."""
        self._bar.update(step - self._bar.n)
        self._remaining.progress(step)

    def close(self) -> None:
        """Writes out what is pending."""
        self._bar.close()
        if self._enabled:
            self._board.close()

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _stands(entry: dict[str, Any], start_step: int) -> bool:
    """Tests come after the last step: a phase that goes on will repeat them."""
    return 0 < entry["step"] <= start_step and entry["split"] != "test"


def _board(folder: epath.Path, start_step: int) -> SummaryWriter:
    with _without_torch():
        from tensorboardX import SummaryWriter
    # File names hold seconds and the host: without a suffix, a quick restart would overwrite its predecessor's file.
    suffix = f".{os.getpid()}.{start_step}"
    return SummaryWriter(str(folder), purge_step=start_step + 1 if start_step else 0, filename_suffix=suffix)


@contextlib.contextmanager
def _without_torch() -> Iterator[None]:
    """Hides PyTorch, which tensorboardX imports where it is installed: seconds of a start, for a type annotation."""
    hidden: dict[str, Any] = {} if "torch" in sys.modules else {"torch": None}
    sys.modules.update(hidden)
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def read_entries(workdir: epath.PathLike) -> list[dict[str, Any]]:
    """Returns the entries of `metrics.jsonl` in order; none if there is no file. A torn last line is left out.

    Raises:
      SpecError: another line cannot be read; the message names it.
    """
    return read_lines(epath.Path(workdir) / METRICS_FILE, FIELDS)


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: float(value) if math.isfinite(value) else None for name, value in values.items()}

"""What a person and grep see of a run: metrics.jsonl, log lines, a progress bar and TensorBoard.

`metrics.jsonl` in the working directory holds only what a run determines: one JSON object a line with `phase`, `step`,
`epoch`, `split` and the values by name. Wall-clock quantities (samples per second) go to the log lines and TensorBoard
only, so an interrupted and continued run leaves the same file as an undisturbed one.
"""

from __future__ import annotations

import json
import math
import os
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from absl import logging
from etils import epath
from tensorboardX import SummaryWriter
from tqdm import tqdm

from mmae_jax.spec import SpecError

METRICS_FILE = "metrics.jsonl"


class RunLog:
    """The log of one phase; a context manager.

    A phase that continues from step k forgets what was logged after k, in every place: lines of `metrics.jsonl`
    are dropped, TensorBoard is told to. A phase that starts anew (k = 0) forgets all of itself.
    """

    def __init__(
        self,
        workdir: epath.PathLike,
        phase: str,
        *,
        start_step: int = 0,
        total_steps: int | None = None,
        enabled: bool = True,
    ) -> None:
        """Opens the log.

        Args:
          workdir: folder of the run, made where absent.
          phase: name, one of `spec.PHASES`.
          start_step: steps done before.
          total_steps: steps of the whole phase, for the remaining time.
          enabled: whether to write at all; true on one host only.

        Raises:
          SpecError: a line of `metrics.jsonl` other than the last cannot be read.
        """
        self._phase = phase
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
            self._file = epath.Path(workdir) / METRICS_FILE
            self._file.parent.mkdir(parents=True, exist_ok=True)
            _keep(self._file, lambda entry: entry["phase"] != phase or _stands(entry, start_step))
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
          speed: name → value measured by the clock; not in `metrics.jsonl`.
        """
        if not self._enabled:
            return
        values = {name: float(value) for name, value in values.items()}
        shown = values | {name: float(value) for name, value in speed.items()}
        for name, value in shown.items():
            self._board.add_scalar(f"{split}/{name}", value, step)
        entry = {"phase": self._phase, "step": int(step), "epoch": int(epoch), "split": split}
        entry |= {name: value if math.isfinite(value) else None for name, value in values.items()}
        with self._file.open("a") as file:
            file.write(_line(entry))
        prefix = "" if split == "train" else f"{split}/"
        numbers = " ".join(f"{prefix}{name}={value:.4g}" for name, value in shown.items())
        with tqdm.external_write_mode(file=sys.stderr):
            logging.info("%s step=%d %s", self._phase, step, numbers)

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
    # File names hold seconds and the host: without a suffix, a quick restart would overwrite its predecessor's file.
    suffix = f".{os.getpid()}.{start_step}"
    return SummaryWriter(str(folder), purge_step=start_step + 1 if start_step else 0, filename_suffix=suffix)


def show_messages() -> None:
    """Shows messages of this package from INFO on, of the libraries it uses from WARNING on."""
    package = str(epath.Path(__file__).parent.parent)
    logging.set_verbosity(logging.INFO)
    logging.get_absl_handler().addFilter(
        lambda record: record.levelname != "INFO" or record.pathname.startswith(package)
    )


def read_entries(workdir: epath.PathLike) -> list[dict[str, Any]]:
    """Returns the entries of `metrics.jsonl` in order; none if there is no file. A torn last line is left out.

    Raises:
      SpecError: another line cannot be read; the message names it.
    """
    return _read(epath.Path(workdir) / METRICS_FILE)


def _read(file: epath.Path) -> list[dict[str, Any]]:
    lines = file.read_text().splitlines() if file.exists() else []
    entries = []
    for number, line in enumerate(lines, start=1):
        try:
            entries.append(json.loads(line))
        except json.JSONDecodeError as error:
            if number < len(lines):
                raise SpecError(f"{file}, line {number}: expected a JSON object, found {line[:80]!r}") from error
    return entries


def _keep(file: epath.Path, keep: Callable[[dict[str, Any]], bool]) -> None:
    """Drops other entries and a torn last line from `file`, atomically."""
    text = "".join(_line(entry) for entry in _read(file) if keep(entry))
    beside = file.with_name(f"{file.name}.tmp")
    beside.write_text(text)
    beside.replace(file)


def _line(entry: dict[str, Any]) -> str:
    return json.dumps(entry, allow_nan=False) + "\n"

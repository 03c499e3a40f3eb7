"""Data preparation as a part of other commands."""

from __future__ import annotations

import sys

from absl import logging


def data_prep(*arguments: str) -> None:
    """Runs a command of `python -m data_prep`, which reports its problems itself; where it fails, this process ends."""
    from data_prep.__main__ import main

    logging.info("python -m data_prep %s", " ".join(arguments))
    if code := main(arguments):
        sys.exit(code)

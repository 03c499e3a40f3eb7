"""A run that is told to end before it is done."""

from __future__ import annotations

import os

PREEMPTED_EXIT_CODE = os.EX_TEMPFAIL
"""75: what a preempted run exits with, so that launchers tell it from a failure and start it again."""


class Preempted(Exception):
    """The run was told to end and did, its state completely written; the message names the checkpoint."""

"""`python -m tests.train.first_device COMMAND …` is `python -m mmae_jax COMMAND …` on the first of its virtual devices.

A compiled program is kept for the devices that its process has. One that has as many as pytest's own finds what they
compiled for their first.
"""

from __future__ import annotations

import pytest

from mmae_jax.command_line.program import program
from tests import compilation, runs

if __name__ == "__main__":
    compilation.set_up()
    runs.only_one_device(pytest.MonkeyPatch())
    program()

"""Devices are recognised by the longest name that fits."""

import importlib.util
import os
import subprocess
import sys
import types

import jax
import pytest

from mmae_jax.hardware.chips import chip_of

TPU_VARIABLES = ("TPU_ACCELERATOR_TYPE", "TPU_WORKER_HOSTNAMES")


@pytest.mark.parametrize(
    ("kind", "name"),
    [("TPU v5 lite", "TPU v5e"), ("TPU v5", "TPU v5p"), ("TPU v6 lite", "TPU v6e"), ("NVIDIA H200", "NVIDIA H200")],
)
def test_kinds(kind, name):
    chip = chip_of(types.SimpleNamespace(device_kind=kind))
    assert chip.name == name
    assert chip.bf16_flops > chip.float32_flops > chip.memory_bandwidth > chip.link_bandwidth


def test_a_cpu_is_unknown():
    assert chip_of(jax.devices("cpu")[0]) is None


@pytest.mark.skipif(importlib.util.find_spec("libtpu") is None, reason="libtpu is not installed")
def test_the_compiler_for_tpus_says_nothing_where_there_is_none():
    code = """
import jax
from absl import app
from mmae_jax.hardware import tpu
tpu.quieten_libtpu()
app.run(lambda _: print(jax.default_backend()))
"""
    environment = {name: value for name, value in os.environ.items() if name not in ("JAX_PLATFORMS", *TPU_VARIABLES)}
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert found.stdout in ("cpu\n", "gpu\n")
    assert "ERROR" not in found.stderr.upper()


@pytest.mark.parametrize(("variables", "found"), [({}, False), ({"JAX_FORCE_TPU_INIT": "1"}, True)])
def test_jax_leaves_word_of_tpu_chips(variables, found):
    """On a machine without chips JAX can be made to believe in them."""
    code = "from mmae_jax.hardware import tpu; print(tpu.has_chips())"
    environment = {name: value for name, value in os.environ.items() if name != "TPU_ML_PLATFORM"} | variables
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    assert answer == f"{found}\n"

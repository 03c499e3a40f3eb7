"""Devices are recognised by the longest name that fits."""

import types

import jax
import pytest

from mmae_jax.chips import chip_of


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

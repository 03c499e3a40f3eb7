"""What `bench compile` reads from compiled programs, and what it says where it cannot."""

import dataclasses
import importlib.util
import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import treesatai_ts
from mmae_jax import parallel, spec
from mmae_jax.bench.compile import collectives, gpus, hlo, measurement, roofline, sweep, traffic
from mmae_jax.bench.compile.case import Case
from mmae_jax.bench.compile.describe import describe
from mmae_jax.command_line.program import main
from mmae_jax.hardware import chips
from mmae_jax.models.attention import attention
from tests import experiments, runs

V5E = chips.CHIPS["TPU v5 lite"]
CONFIG = f"{treesatai_ts.__file__}:runlocal"
CASE = Case(CONFIG, (), "pretrain", "v5e:2x4", 1, "data=-1,fsdp=2", 2, False)


@dataclasses.dataclass(frozen=True)
class FakeDevice:
    id: int
    slice_index: int
    process_index: int
    platform: str = "cpu"
    device_kind: str = "cpu"


def compiled(function, *arguments):
    return hlo.parse(jax.jit(function).lower(*arguments).compile().as_text())


@pytest.fixture(scope="module")
def found():
    """A step of a tiny model for eight devices."""
    experiment = experiments.experiment(("s2",), ("trees",), remat="full", dtype="bfloat16")
    phase = dataclasses.replace(experiment.probe, batch_size=16)
    experiment = dataclasses.replace(experiment, probe=phase, mesh=spec.Mesh(data=2, fsdp=4))
    return measurement.measure(experiment, "probe", jax.devices(), V5E)


def test_loops_count_by_their_length():
    weights, x = jnp.ones((7, 256, 256)), jnp.ones((128, 256))
    once = traffic.memory_bytes(compiled(lambda x: jnp.tanh(x @ weights[0]), x))
    looped = traffic.memory_bytes(
        compiled(lambda x, w: jax.lax.scan(lambda x, w: (jnp.tanh(x @ w), None), x, w)[0], x, weights)
    )
    # A product reads and writes 0.5 MB; the loop reads its seventh of the weights each time, not all of them.
    assert 5 * once < looped < 16 * once


@pytest.mark.parametrize(
    ("sizes", "axes", "expected"),
    [
        (spec.Mesh(data=8), ("data",), 2 * 7 / 8),
        (spec.Mesh(data=2, fsdp=4), ("data", "fsdp"), 2 * 7 / 8),
        (spec.Mesh(data=2, fsdp=2, tensor=2), ("data", "fsdp"), 2 * 3 / 4),
    ],
)
def test_a_sum_over_the_batch_is_one_all_reduce_along_its_axes(sizes, axes, expected):
    mesh = parallel.make_mesh(sizes)
    x = jax.ShapeDtypeStruct((8, 1000), jnp.float32, sharding=jax.NamedSharding(mesh, parallel.BATCH))
    (one,) = collectives.find(compiled(lambda x: x.sum(axis=0), x), mesh)
    assert (one.kind, one.axes, one.num_bytes, one.count) == ("all-reduce", axes, 4000, 1)
    assert one.sent == pytest.approx(4000 * expected)
    assert one.sent_between_slices == 0


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("replica_groups=[2,4]<=[8]", [[0, 1, 2, 3], [4, 5, 6, 7]]),
        ("replica_groups=[4,2]<=[2,4]T(1,0)", [[0, 4], [1, 5], [2, 6], [3, 7]]),
        ("replica_groups={{0,2},{1,3}}", [[0, 2], [1, 3]]),
        ("source_target_pairs={{0,1},{1,0}}", [[0, 1], [1, 0]]),
        ("replica_groups=mesh['a'=2,'b'=4] {'b'}", [[0, 1, 2, 3], [4, 5, 6, 7]]),
        ("replica_groups=mesh['a'=2,'b'=4] {'a'}", [[0, 4], [1, 5], [2, 6], [3, 7]]),
        ("replica_groups=mesh['a'=4,'b'=2], device_ids=([2,4]T(1,0)) {'a'}", [[0, 1, 2, 3], [4, 5, 6, 7]]),
        ("replica_groups={}", [[0, 1, 2, 3, 4, 5, 6, 7]]),
    ],
)
def test_groups_of_devices_in_each_notation(text, groups):
    np.testing.assert_array_equal(collectives.groups(text, 8), groups)


def test_all_of_a_step_is_measured(found):
    assert found.arguments == pytest.approx(found.params + found.opt_state + found.ema + found.batch, rel=0.1)
    assert 0 < found.temporaries < found.capacity
    assert found.executed_flops == found.model_flops  # a probe's encoder is not differentiated
    assert {one.kind for one in found.traffic} == {"all-gather", "all-reduce"}
    text = describe("title", found)
    for name in ("parameters", "moving average", "total", "with recomputation", "all-gather", "slow network", "bound"):
        assert f"\n  {name}" in text


def test_the_bound_is_the_longest_of_its_parts():
    one = collectives.Collective("all-reduce", ("data",), 10, 2e9, 0.5, 3e9, 4, "")
    found = roofline.bound(V5E, "bfloat16", 197e12, 1e9, [one])
    assert found == roofline.Bound(1.0, 1e9 / 819e9, 4 * 2e9 / (200e9 * 0.5), 4 * 3e9 / 3.125e9)
    assert (found.by, found.seconds) == ("slow network", 3.84)
    assert roofline.bound(V5E, "float32", 197e12, 0, []).compute == pytest.approx(6)


def test_slices_are_spread_over_data():
    devices = [FakeDevice(4 * index + i, index, index) for index in (1, 0) for i in range(4)]
    mesh = parallel.make_mesh(spec.Mesh(data=-1, fsdp=2), devices)
    assert dict(mesh.shape) == {"data": 4, "fsdp": 2, "tensor": 1}
    assert [[device.slice_index for device in row.flat] for row in mesh.devices] == [[0, 0], [0, 0], [1, 1], [1, 1]]
    with pytest.raises(spec.SpecError, match=r"mesh\.data: expected a multiple of the 2 slices, .*found 1"):
        parallel.make_mesh(spec.Mesh(data=1, fsdp=8), [dataclasses.replace(d, platform="tpu") for d in devices])
    machines = parallel.make_mesh(spec.Mesh(data=1, fsdp=4, tensor=2), devices).devices
    assert [[device.slice_index for device in row] for row in machines[0]] == [[0, 0], [0, 0], [1, 1], [1, 1]]


def run(capsys, *arguments):
    code = main(["bench", "compile", *arguments])
    return code, capsys.readouterr().err.strip()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], r"error: --topology, --mesh: expected one of each, or --sweep=DIR, found 0 to compile"),
        (["--topology=v5e:2x4", "--mesh=rows=2"], r"error: --mesh: expected sizes of data, .*found 'rows=2'"),
        (["--topology=v5e:2x4", "--batch_per_chip=0"], r"error: --batch_per_chip: expected a positive number, found 0"),
        (["--topology=v5e:2x4", "--mesh=data=1,fsdp=7"], r"error: mesh: expected sizes whose product is 8 devices"),
        (
            ["--topology=v5e:2x4", "--mesh=fsdp=2,tensor=4"],
            r"error: mesh\.tensor: expected a divisor of 3 heads, found 4",
        ),
        (["--topology=v5e:2x4", "--config.model.depth=3"], r"error: --config\.model\.depth: no such field"),
        (["--topology=v5e:2x4", "--config.seed=many"], r"error: --config\.seed: expected int, found 'many'"),
    ],
)
def test_mistakes_are_one_line(capsys, monkeypatch, arguments, message):
    monkeypatch.setattr("mmae_jax.bench.compile.case.slice_devices", lambda *_: jax.devices())
    monkeypatch.setattr("mmae_jax.bench.compile.case.chip_of", lambda _: V5E)
    code, error = run(capsys, f"--config={CONFIG}", *arguments)
    assert code == (2 if "--config" in message else 1)
    assert error.count("\n") == 0
    assert re.match(message, error)


def test_without_libtpu_the_extra_is_named(capsys, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    code, error = run(capsys, f"--config={CONFIG}", "--topology=v5e:2x4")
    assert (code, error) == (1, "error: bench compile: needs libtpu, `pip install 'mmae_jax[tpu]'`; no TPU is needed")


@pytest.mark.parametrize("topology", ["h100:0", "h100:many", "a100:12"])
def test_machines_that_no_one_has_are_refused(capsys, topology):
    code, error = run(capsys, f"--config={CONFIG}", f"--topology={topology}")
    assert (code, error) == (
        1,
        f"error: --topology: expected 1 to 8 GPUs or machines of 8, found {topology!r}",
    )


def test_gpus_are_not_counted_in_slices(capsys):
    code, error = run(capsys, f"--config={CONFIG}", "--topology=h100:8", "--slices=2")
    assert (code, error) == (1, "error: --slices: expected 1 with GPUs, whose number says all, found 2")


def test_without_the_plugin_for_gpus_what_is_missing_is_named(capsys, monkeypatch):
    monkeypatch.setattr(gpus, "has_plugin", lambda: False)
    monkeypatch.setattr(jax, "__version_info__", (0, 12, 0))
    code, error = run(capsys, f"--config={CONFIG}", "--topology=h200:1")
    extra = "`pip install 'mmae_jax[cuda]'`; no GPU is needed"
    assert (code, error) == (1, f"error: bench compile: needs JAX's plugin for CUDA, {extra}")


def test_older_versions_of_jax_are_named(capsys, monkeypatch):
    monkeypatch.setattr(jax, "__version_info__", (0, 10, 2))
    code, error = run(capsys, f"--config={CONFIG}", "--topology=h200:1")
    assert code == 1
    assert error.startswith("error: bench compile: needs jax 0.11 or newer (Python 3.12) for GPUs, found")


@pytest.mark.skipif(not gpus.has_plugin(), reason="JAX's plugin for CUDA is not installed")
def test_a_step_is_compiled_for_gpus_with_fused_attention():
    devices = gpus.gpu_devices("h100:8")
    assert {device.device_kind for device in devices} == {"NVIDIA H100 80GB HBM3"}
    mesh = parallel.make_mesh(spec.Mesh(data=4, tensor=2), devices)
    rows = jax.sharding.NamedSharding(mesh, parallel.BATCH)
    tokens = jax.ShapeDtypeStruct((8, 256, 128), jnp.bfloat16, sharding=rows)
    valid = jax.ShapeDtypeStruct((8, 256), bool, sharding=rows)

    def step(x, valid):
        return jax.grad(lambda x: attention(x, x, x, valid, 4, "cudnn").astype(jnp.float32).sum())(x)

    text = jax.jit(step).lower(tokens, valid).compile().as_text()
    assert "cudnn$fmha" in text
    assert "[8,4,256,256]" not in text, "no scores"
    module = hlo.parse(text)
    assert 0 < traffic.kernels(module) < 100
    assert traffic.memory_bytes(module) > 0


def test_a_sweep_writes_a_table_and_a_figure_and_goes_on_where_it_stopped(found, tmp_path, monkeypatch, capsys):
    measured = []

    def measure(case):
        measured.append(case.topology)
        if case.topology == "v5e:1x1":
            raise measurement.DoesNotFitError("47.44G exceeds 15.75G")
        return found

    monkeypatch.setattr(Case, "measure", measure)
    monkeypatch.setattr(Case, "devices", lambda case: (jax.devices(), V5E))
    cases = [dataclasses.replace(CASE, topology=name) for name in ("v5e:2x4", "v5e:1x1")]
    sweep.run(cases[:1], tmp_path)
    sweep.run(cases, tmp_path)
    assert measured == ["v5e:2x4", "v5e:1x1"]
    assert len([json.loads(line) for line in (tmp_path / "sweep.jsonl").read_text().splitlines()]) == 2
    table = (tmp_path / "sweep.md").read_text().splitlines()
    assert len({line.count("|") for line in table}) == 1
    assert table[2].startswith("| treesatai_ts:runlocal pretrain | 2 | v5e:2x4 | 8 | data=-1,fsdp=2 |")
    assert "47.44G exceeds 15.75G" in table[-1]
    assert (tmp_path / "sweep.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_real_step_for_a_slice_of_tpus(capsys):
    pytest.importorskip("libtpu")
    arguments = ("--config", f"{runs.CONFIG}", "--topology=v5e:2x4", "--mesh=data=-1,fsdp=2", "--quick")
    assert main(["bench", "compile", *arguments]) == 0
    assert "bound" in capsys.readouterr().out

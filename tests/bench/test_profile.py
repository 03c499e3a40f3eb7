"""Where the time of a step goes: traces are read, and operations placed by part of the model and kind of work."""

import dataclasses
import re
import types

import jax
import jax.numpy as jnp
import pytest

from mmae_jax.bench.compile import hlo
from mmae_jax.bench.profile.parts import Program, part_of, pass_of
from mmae_jax.bench.profile.profile import describe, profile
from mmae_jax.bench.profile.trace import Event, OperationTime, Trace, read_trace, summary, tracing


def layer(x, weights):
    with jax.named_scope("attend"):
        return jax.nn.softmax(x @ weights), None


def step(weights, x):
    def loss(weights):
        with jax.named_scope("encoder_s2"):
            y, _ = jax.lax.scan(jax.checkpoint(layer), x, weights)
        with jax.named_scope("loss"):
            return (y**2).sum()

    gradient = jax.grad(loss)(weights)
    with jax.named_scope("optimizer"):
        return weights - 0.1 * gradient


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The profile of a small training step on this CPU."""
    weights, x = jnp.ones((4, 128, 128)) / 128, jnp.ones((512, 128))
    compiled = jax.jit(step).lower(weights, x).compile()
    jax.block_until_ready(compiled(weights, x))
    folder = tmp_path_factory.mktemp("trace")
    with tracing(folder):
        for _ in range(2):
            jax.block_until_ready(compiled(weights, x))
    return profile(read_trace(folder, "jit_step"), compiled.as_text(), runs=2)


def test_all_time_is_told_by_part_and_by_kind(found):
    assert found.seconds > 0
    assert sum(sum(passes.values()) for passes in found.parts.values()) == pytest.approx(found.seconds)
    assert sum(found.kinds.values()) == pytest.approx(found.seconds)
    assert set(found.parts) <= {"encoder_s2", "loss", "optimizer", "no part"}
    assert found.unattributed < 0.2
    assert 0 <= found.idle < 1


def test_forward_backward_and_recomputed_are_told_apart(found):
    passes = found.parts["encoder_s2"]
    assert passes["forward"] > 0
    assert passes["backward"] > 0
    assert passes["recomputed"] > 0
    assert found.kinds["matrix products"] > 0
    # A scan over four layers: of each layer one product forward, one or two of which are done again, two backward.
    assert found.counts["matrix products"] >= 12


def test_a_profile_reads_as_a_table(found):
    text = "\n".join(describe(found))
    for name in ("encoder_s2", "optimizer", "matrix products", "longest operations", "belongs to no part"):
        assert name in text


@dataclasses.dataclass
class Made:
    """A plane, line or event of a made-up trace."""

    name: str
    lines: list = dataclasses.field(default_factory=list)
    events: list = dataclasses.field(default_factory=list)
    stats: list = dataclasses.field(default_factory=list)
    start_ns: float = 0
    duration_ns: float = 0


def ran(name, start, duration, **stats):
    return Made(name, stats=list(stats.items()), start_ns=start, duration_ns=duration)


def test_devices_are_read_once_whatever_their_lines(monkeypatch, tmp_path):
    ours = {"hlo_module": "jit_step", "hlo_op": "fusion.1"}
    streams = [
        Made(
            "Stream #7(Compute)", events=[ran("loop_fusion_1", 0, 30, **ours), ran("other", 30, 5, hlo_module="jit_x")]
        ),
        Made("Stream #8(MemcpyD2D)", events=[ran("MemcpyD2D", 50, 10)]),
        Made("XLA Ops", events=[ran("fusion.1", 0, 30, **ours)]),
    ]
    operations = Made(
        "XLA Ops", events=[ran("%fusion.2 = f32[8] fusion(f32[8] %x)", 0, 40, tf_op="jit(step)/loss/add")]
    )
    planes = [
        Made("/device:GPU:0", lines=streams),
        Made("/device:TPU:0", lines=[operations, Made("Steps", events=[ran("7", 0, 99)])]),
        Made("/host:CPU", lines=[Made("python", events=[ran("train", 0, 500)])]),
        Made("/host:metadata"),
    ]
    monkeypatch.setattr(jax.profiler.ProfileData, "from_file", lambda _: types.SimpleNamespace(planes=planes))
    (tmp_path / "host.xplane.pb").touch()
    found = read_trace(tmp_path, "jit_step").operations
    assert [(one.operation, one.kernel, round(one.seconds * 1e9)) for one in found] == [
        ("fusion.2", "fusion.2", 40),
        ("fusion.1", "loop_fusion_1", 30),
        ("MemcpyD2D", "MemcpyD2D", 10),
    ]
    assert found[0].scope == "jit(step)/loss/add"
    planes[:] = [Made("/host:CPU")]
    with pytest.raises(ValueError, match="the profiler tells nothing of jit_step"):
        read_trace(tmp_path, "jit_step")


def test_what_ran_inside_is_no_time_of_what_is_around():
    line = [
        Event("while.1", "while.1", 0, 100),
        Event("dot.1", "dot.1", 10, 40),
        Event("dot.1", "dot.1", 50, 90),
        Event("copy.1", "copy.1", 60, 70),
    ]
    trace = summary([[line, [Event("add.1", "add.1", 150, 200)]]])
    seconds = {one.operation: one.seconds / 1e-9 for one in trace.operations}
    assert seconds == pytest.approx({"while.1": 30, "dot.1": 60, "copy.1": 10, "add.1": 50})
    assert {one.operation: one.count for one in trace.operations}["dot.1"] == 2
    assert trace.idle == pytest.approx(50 / 200)
    assert trace.seconds == pytest.approx(150e-9)


@pytest.mark.parametrize(
    ("path", "part", "direction"),
    [
        ("jit(train_step)/jvp(encoder_s2)/while/body/dot_general", "encoder_s2", "forward"),
        ("jit(train_step)/transpose(jvp(decoder_s2/loss))/mul", "loss", "backward"),
        ("jit(f)/transpose(jvp(joint))/while/body/checkpoint/rematted_computation/add", "joint", "recomputed"),
        ("jit(f)/jvp(embed)/transpose", "embed", "forward"),  # an operation that swaps axes
        ("jit(f)/jvp()/embedding/lossy", None, "forward"),
        ("state.params['encoder_inter']['qkv_kernel']", None, "forward"),
        ("", None, "forward"),
    ],
)
def test_a_path_tells_part_and_direction(path, part, direction):
    assert (part_of(path), pass_of(path)) == (part, direction)


GPU = """
HloModule jit_train_step

%fused_reduce (p0: f32[8,8]) -> f32[8] {
  %p0 = f32[8,8]{1,0} parameter(0)
  %c = f32[] constant(0)
  ROOT %reduce.1 = f32[8]{0} reduce(%p0, %c), dimensions={1}, SCOPE(jvp(loss)/reduce)
}

ENTRY %main (x: f32[8,8]) -> f32[8,8] {
  %x = f32[8,8]{1,0} parameter(0), metadata={op_name="state.params['encoder_s2']"}
  %copy.1 = f32[8,8]{0,1} copy(%x)
  %cublas-gemm.2 = f32[8,8]{1,0} custom-call(%copy.1, %x), TARGET(__cublas$gemm), SCOPE(jvp(encoder_s2)/attention/dot)
  %cudnn-fmha.3 = f32[8,8]{1,0} custom-call(%x), TARGET(__cudnn$fmhaSoftmax), SCOPE(jvp(joint)/dot_product)
  %input_reduce_fusion.4 = f32[8]{0} fusion(%x), kind=kInput, calls=%fused_reduce
  %all-reduce.5 = f32[8,8]{1,0} all-reduce(%x), replica_groups={}, SCOPE(optimizer/psum)
  %loop_add_fusion.7 = f32[8]{0} fusion(%x), calls=%fused_reduce, metadata={deduplicated_name="loop_add_fusion.1"}
  %loop_add_fusion.8 = f32[8]{0} fusion(%x), calls=%fused_reduce, metadata={deduplicated_name="loop_add_fusion.2"}
  %add.9 = f32[8]{0} add(%x), metadata={op_name="jit(train_step)/mask/add" deduplicated_name="loop_add_fusion.2"}
  %empty.10 = f32[8]{0} broadcast()
  %copy.11 = f32[8]{0} copy(%empty.10)
  %tuple.12 = (f32[8]{0}) tuple(%copy.11)
  %while.13 = (f32[8]{0}) while(%tuple.12), SCOPE(jvp(decoder_s1)/while)
  ROOT %sort.6 = f32[8,8]{1,0} sort(%x), SCOPE(mask/sort)
}
"""
GPU = re.sub(r"TARGET\((.*?)\)", r'custom_call_target="\1"', GPU)
GPU = re.sub(r"SCOPE\((.*)\)\n", r'metadata={op_name="jit(train_step)/\1"}\n', GPU)


@pytest.mark.parametrize(
    ("operation", "kernel", "part", "kind"),
    [
        ("cublas-gemm.2", "nvjet_hsh_128x256_64x4", "encoder_s2", "matrix products"),
        ("cudnn-fmha.3", "cudnn_generated_fort_native_sdpa_sm90_flash_fprop", "joint", "attention kernels"),
        ("input_reduce_fusion_4", "input_reduce_fusion_4", "loss", "reductions"),  # of a CUDA graph: kernel names alone
        ("copy.1", "MemcpyD2D", "encoder_s2", "copies"),  # added by the compiler: belongs to what reads it
        ("empty.10", "wrapped_broadcast", "decoder_s1", "element-wise"),  # filled by a loop
        ("all-reduce.5", "ncclDevKernel_AllReduce_Sum_f32_RING_LL", "optimizer", "collectives"),
        ("sort.6", "cub_radix_sort", "mask", "others"),
        ("nvjet_hsh_128x256_64x4", "nvjet_hsh_128x256_64x4", None, "matrix products"),  # nothing known but the kernel
        ("loop_add_fusion_9", "loop_add_fusion_9", None, "element-wise"),
        ("loop_add_fusion_1", "loop_add_fusion_1", "loss", "reductions"),  # one kernel for equal fusions
        ("loop_add_fusion_2", "loop_add_fusion_2", None, "reductions"),  # of which it may be either
        ("MemsetD8", "MemsetD8", None, "copies"),
    ],
)
def test_kernels_of_gpus_are_placed(operation, kernel, part, kind):
    place = Program(hlo.parse(GPU)).place(operation, kernel)
    assert (place.part, place.kind) == (part, kind)


def test_what_cannot_be_placed_is_counted():
    times = [OperationTime("sort.6", "sort", "", 3e-3, 2), OperationTime("mystery", "mystery", "", 1e-3, 4)]
    found = profile(Trace(tuple(times), 0.25), GPU, runs=2)
    assert found.unattributed == pytest.approx(0.25)
    assert found.counts == {"others": 3}
    assert found.parts["mask"] == {"forward": pytest.approx(1.5e-3), "backward": 0, "recomputed": 0}

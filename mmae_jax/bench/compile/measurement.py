"""One compiled training step, measured: memory, operations, bytes moved, communication, and the bound of its time."""

from __future__ import annotations

import collections
import dataclasses
import math
import time
from collections.abc import Sequence
from typing import Any

import jax

from mmae_jax import parallel
from mmae_jax.bench.compile import collectives, hlo, roofline, traffic
from mmae_jax.hardware.chips import Chip
from mmae_jax.spec import Experiment
from mmae_jax.train.flops import step_flops
from mmae_jax.train.state import Program, abstract_arguments
from mmae_jax.train.step import train_step

TOTAL_STEPS = 1000
"""Of the schedule; no size depends on it."""


class DoesNotFitError(RuntimeError):
    """The compiler finds that a step needs more memory than a chip has; the message is its own."""


@dataclasses.dataclass(frozen=True)
class Traffic:
    """Communications of one kind along the same mesh axes.

    Attributes:
      kind: e.g. `all-gather`.
      axes: mesh axes.
      count: how many of them a step does.
      num_bytes: size of all their arrays, gathered or before scattering.
    """

    kind: str
    axes: tuple[str, ...]
    count: float
    num_bytes: float


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What compiling a step tells; all figures of one chip and step.

    Attributes:
      params, opt_state, ema, batch: bytes of the arguments.
      arguments: bytes of all arguments as they lie in memory, padding included.
      temporaries: further bytes the step needs.
      capacity: bytes of a chip's memory.
      model_flops: operations the model asks for.
      executed_flops: the same with what the backward pass recomputes.
      xla_flops: XLA's count of the compiled program, which takes the body of each loop once.
      memory_bytes: bytes moved to and from the chip's memory.
      kernels: how many instructions a step executes, those of loops as often as they run.
      traffic: communication.
      bound: the least time the step can take.
      compile_seconds: how long the compiler took.
    """

    params: float
    opt_state: float
    ema: float
    batch: float
    arguments: float
    temporaries: float
    capacity: float
    model_flops: float
    executed_flops: float
    xla_flops: float
    memory_bytes: float
    kernels: float
    traffic: tuple[Traffic, ...]
    bound: roofline.Bound
    compile_seconds: float

    @property
    def total(self) -> float:
        """Bytes a chip needs."""
        return self.arguments + self.temporaries


def measure(experiment: Experiment, phase: str, devices: Sequence[jax.Device], chip: Chip) -> Measurement:
    """Compiles one training step for some devices, and reads the result.

    Args:
      experiment: gives mesh and global batch.
      phase: the phase whose step is compiled.
      devices: the devices to compile for; they need not be there.
      chip: what one of them can do.

    Raises:
      SpecError: parameters or batch cannot be divided over the devices.
      DoesNotFitError: a step needs more memory than a chip has.
    """
    mesh = parallel.make_mesh(experiment.mesh, devices)
    program = Program(experiment, phase, TOTAL_STEPS)
    parallel.check_work(experiment, phase, mesh)
    state, batch = abstract_arguments(program, mesh)
    start = time.monotonic()
    compiled = _compile(train_step.lower(program, state, batch))
    seconds = time.monotonic() - start
    module = hlo.parse(compiled.as_text() or "")
    found, moved = collectives.find(module, mesh), traffic.memory_bytes(module)
    executed = step_flops(program, mesh, recomputed=True) / mesh.size
    sizes: Any = compiled.memory_analysis()
    costs: Any = compiled.cost_analysis() or {}  # none of programs for GPUs that are not there
    return Measurement(
        params=_share(state.params),
        opt_state=_share(state.opt_state),
        ema=_share(state.ema),
        batch=_share(batch),
        arguments=sizes.argument_size_in_bytes,
        temporaries=sizes.temp_size_in_bytes + sizes.output_size_in_bytes - sizes.alias_size_in_bytes,
        capacity=chip.memory,
        model_flops=step_flops(program, mesh) / mesh.size,
        executed_flops=executed,
        xla_flops=costs.get("flops", math.nan),
        memory_bytes=moved,
        kernels=traffic.kernels(module),
        traffic=summed(found),
        bound=roofline.bound(chip, experiment.model.dtype, executed, moved, found),
        compile_seconds=seconds,
    )


def _compile(lowered: jax.stages.Lowered) -> jax.stages.Compiled:
    try:
        return lowered.compile()
    except jax.errors.JaxRuntimeError as error:
        if not str(error).startswith("RESOURCE_EXHAUSTED"):
            raise
        raise DoesNotFitError(str(error).splitlines()[0].removeprefix("RESOURCE_EXHAUSTED: ")) from error


def _share(tree: Any) -> float:
    """Returns the bytes of a tree that one device holds."""
    return float(
        sum(math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
    )


def summed(found: Sequence[collectives.Collective]) -> tuple[Traffic, ...]:
    """Returns the communications of each kind along the same axes, the most bytes first."""
    counts: dict[tuple[str, tuple[str, ...]], float] = collections.defaultdict(float)
    sizes: dict[tuple[str, tuple[str, ...]], float] = collections.defaultdict(float)
    for one in found:
        counts[one.kind, one.axes] += one.count
        sizes[one.kind, one.axes] += one.count * one.num_bytes
    return tuple(
        Traffic(kind, axes, counts[kind, axes], size) for (kind, axes), size in sorted(sizes.items(), key=_negative)
    )


def _negative(item: tuple[tuple[str, tuple[str, ...]], float]) -> float:
    return -item[1]

"""Attention kernels at the shapes of configs: whether they compute what XLA does, forward and backward, and how fast.

Every kernel is compared with attention in float32, at rows that are whole, have holes, one token or none; XLA's own
bfloat16 says how much of the difference is rounding.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import statistics
import time
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mmae_jax.bench import record
from mmae_jax.bench.train.sweep import REFUSALS
from mmae_jax.command_line.config_file import load_experiment
from mmae_jax.command_line.parser import check_at_least
from mmae_jax.data.abstract import abstract_batch
from mmae_jax.exit_codes import UsageError
from mmae_jax.models.attention import attention, kernel_for
from mmae_jax.models.attention.arrangement import Arrangement
from mmae_jax.models.fusion import Fusion, token_validity
from mmae_jax.models.masking import draw_masks
from mmae_jax.spec import Experiment, SpecError
from mmae_jax.spec.error import first_line

CONFIGS = ("flair_hub", "treesatai_ts", "pastis_hd")
RESULTS = ("result", "gradient of q", "gradient of k", "gradient of v")
RUNS, REPEATS = 3, 10
COMPARED = 8
"""Rows compared with float32, which keeps all scores."""
ROUNDING = 2.0**-8
"""Of bfloat16; errors may be twice those of XLA, and this."""
MILLI = 1e-3


@dataclasses.dataclass(frozen=True)
class Shape:
    """Attention among `length` tokens, with `heads` of `width`; `uses` says where."""

    length: int
    heads: int
    width: int
    uses: tuple[str, ...] = dataclasses.field(compare=False, default=())


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A kernel at one shape.

    Attributes:
      shape: the shape.
      kernel: name of the kernel.
      errors: for each of `RESULTS`, the largest difference from float32 as a share of the largest value.
      rounding: the same of XLA in the same dtype.
      seconds: time of forward and backward pass, the median of some runs; None where it is refused.
      refused: why it computes nothing; empty where it does.
    """

    shape: Shape
    kernel: str
    errors: tuple[float, ...] = ()
    rounding: tuple[float, ...] = ()
    seconds: float | None = None
    refused: str = ""

    @property
    def agrees(self) -> bool:
        """Whether all is as exact as rounding lets it be; no number is compared with NaN."""
        return all(error <= 2 * own + ROUNDING for error, own in zip(self.errors, self.rounding, strict=True))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the bench's arguments to its parser."""
    parser.add_argument(
        "--config",
        nargs="+",
        metavar="FILE[:ARGUMENT]",
        default=[f"configs/{name}.py" for name in CONFIGS],
        help=f"experiments (default: {', '.join(CONFIGS)})",
    )
    parser.add_argument("--batch", type=int, default=64, help="samples (default: 64)")
    record.add_arguments(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    check_at_least(options, "batch", 1)
    experiments = {config: load_experiment(config) for config in options.config}
    print(f"{record.hardware()['kind']}\n{_heading()}", flush=True)
    outcomes = []
    for shape in shapes(experiments.items()):
        for kernel in kernels(shape):
            outcomes.append(outcome(shape, kernel, options.batch))
            print(_line(outcomes[-1]), flush=True)
    if options.json is not None:
        rows = [dataclasses.asdict(one) | {"agrees": one.agrees} for one in outcomes]
        record.write(options.json, record.record("attention", {"batch": options.batch, "rows": rows}, options.date))
    wrong = [f"{one.kernel} at length {one.shape.length}" for one in outcomes if not one.refused and not one.agrees]
    if wrong:
        raise SpecError(f"expected what float32 computes, found something else of {', '.join(wrong)}")


def shapes(experiments: Iterable[tuple[str, Experiment]]) -> list[Shape]:
    """Returns the shapes of attention in the phases of some experiments, the longest first.

    Raises:
      UsageError: the encoder of one is no masked autoencoder.
    """
    uses: dict[Shape, list[str]] = {}
    for config, experiment in experiments:
        if experiment.model.encoder != "mmae":
            raise UsageError(f"--config: expected model.encoder=mmae, found {experiment.model.encoder} in {config}")
        for use, length, decodes in _sequences(experiment):
            sizes = experiment.model.architecture
            heads = (sizes.decoder_heads, sizes.decoder_dim_head) if decodes else (sizes.heads, sizes.dim_head)
            uses.setdefault(Shape(length, *heads), []).append(f"{experiment.dataset.name} {use}")
    found = [dataclasses.replace(shape, uses=tuple(names)) for shape, names in uses.items()]
    return sorted(found, key=lambda shape: (-shape.length, shape.heads))


def _sequences(experiment: Experiment) -> Iterable[tuple[str, int, bool]]:
    """Yields use, length and whether it is a decoder's, of each sequence."""
    fusion, batch = Fusion.of(experiment), abstract_batch(experiment, 2)

    def draw(valid: dict[str, jax.Array]) -> Any:
        available = {
            name: token_validity(valid[name].any(axis=(2, 3)), model_input)
            for name, model_input in experiment.inputs.items()
        }
        return fusion.join(available), draw_masks(jax.random.key(0), fusion, experiment.mask, available)

    tokens, masks = jax.eval_shape(draw, dict(batch["valid"]))
    whole = {key: leaf.shape[1] for key, leaf in tokens.items()}
    if "pretrain" in experiment.phases:
        kept = {key: mask.kept_index.shape[1] for key, mask in masks.items()}
        yield from _encoders(experiment, kept, "visible")
        yield from ((f"decoder_{key}", length, True) for key, length in whole.items())
    if set(experiment.phases) - {"pretrain"}:
        yield from _encoders(experiment, whole, "all")


def _encoders(experiment: Experiment, lengths: dict[str, int], tokens: str) -> Iterable[tuple[str, int, bool]]:
    yield from ((f"encoder_{key} of {tokens}", length, False) for key, length in lengths.items())
    if experiment.model.inter_depth:
        yield f"joint of {tokens}", sum(lengths.values()), False


def kernels(shape: Shape) -> tuple[str, ...]:
    """Returns the kernels to measure at a shape: XLA's, and the one that `model.attention=auto` takes."""
    device = jax.devices()[0]
    width = shape.heads * shape.width
    chosen = kernel_for("auto", device.platform, device.device_kind, jnp.dtype(jnp.bfloat16), width, shape.width)
    return tuple(dict.fromkeys(("xla", chosen)))


def outcome(shape: Shape, kernel: str, rows: int) -> Outcome:
    """Measures a kernel at one shape, on `rows` samples in bfloat16."""
    *arrays, valid = _arguments(shape, rows)
    arrangement = Arrangement.of(valid, kernel)
    arranged = [*map(arrangement.arranged, arrays), arrangement.valid]
    try:
        program = _both_ways(kernel).lower(*arranged, shape.heads).compile()
        found = jax.block_until_ready(program(*arranged))
        seconds = statistics.median(_seconds(program, arranged) for _ in range(RUNS))
    except REFUSALS as error:
        return Outcome(shape, kernel, refused=first_line(error) or type(error).__name__)
    few = [array[:COMPARED] for array in (*arrays, valid)]
    with jax.default_matmul_precision("float32"):
        exact = _both_ways("xla")(*(array.astype(jnp.float32) for array in few[:4]), few[4], shape.heads)
    errors = _errors([arrangement.restored(array)[:COMPARED] for array in found], exact)
    return Outcome(shape, kernel, errors, _errors(_both_ways("xla")(*few, shape.heads), exact), seconds)


@functools.cache
def _both_ways(kernel: str) -> Any:
    """Returns the jitted function from q, k, v, what is sent back, validity and number of heads to `RESULTS`."""

    def compute(
        q: jax.Array, k: jax.Array, v: jax.Array, sent_back: jax.Array, valid: jax.Array, heads: int
    ) -> tuple[jax.Array, ...]:
        result, back = jax.vjp(lambda q, k, v: attention(q, k, v, valid, heads, kernel), q, k, v)
        there = valid[:, :, None]  # what kernels leave elsewhere has no meaning
        return tuple(jnp.where(there, array, 0) for array in (result, *back(jnp.where(there, sent_back, 0))))

    return jax.jit(compute, static_argnums=5)


def _arguments(shape: Shape, rows: int) -> tuple[jax.Array, ...]:
    """Returns random q, k, v, what is sent back, and validity: rows in turn whole, whole, with holes, of one, of none.

    The token of rows of one stands in the middle.
    """
    rng = np.random.default_rng(shape.length)
    size = (rows, shape.length, shape.heads * shape.width)
    arrays = (jnp.asarray(rng.standard_normal(size, np.float32), jnp.bfloat16) for _ in range(4))
    valid = np.ones((rows, shape.length), bool)
    valid[2::5] = rng.random((len(valid[2::5]), shape.length)) < 0.7
    valid[3::5] = np.arange(shape.length) == shape.length // 2
    valid[4::5] = False
    return (*arrays, jnp.asarray(valid))


def _seconds(program: Any, arguments: Sequence[jax.Array]) -> float:
    begin = time.perf_counter()
    for _ in range(REPEATS):
        found = program(*arguments)
    jax.block_until_ready(found)
    return (time.perf_counter() - begin) / REPEATS


def _errors(found: Sequence[jax.Array], exact: Sequence[jax.Array]) -> tuple[float, ...]:
    errors = []
    for one, expected in zip(found, exact, strict=True):
        difference = np.abs(np.asarray(one, np.float32) - np.asarray(expected))
        errors.append(float(np.max(difference)) / max(float(np.max(np.abs(expected))), 1e-30))
    return tuple(errors)


def _heading() -> str:
    names = "".join(f"{name.replace('gradient of ', 'd'):>10}" for name in RESULTS)
    return f"{'length':>8}{'heads':>7}{'width':>7}{'kernel':>10}{'ms':>10}{names}  errors; used by"


def _line(one: Outcome) -> str:
    first = f"{one.shape.length:8}{one.shape.heads:7}{one.shape.width:7}{one.kernel:>10}"
    if one.seconds is None:
        return f"{first}   {one.refused}"
    errors = "".join(f"{error:10.1e}" for error in one.errors)
    return f"{first}{one.seconds / MILLI:10.3f}{errors}  {'' if one.agrees else 'WRONG: '}{', '.join(one.shape.uses)}"

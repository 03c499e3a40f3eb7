"""The training step of a config, compiled ahead of time for TPU slices or GPUs: memory, communication, least time.

Needs no TPU, only libtpu (extra `tpu`), and no GPU, only JAX's plugin for CUDA (extra `cuda`). The step is the one that
training runs; data need not be there.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import jax

from mmae_jax.bench.compile import sweep
from mmae_jax.bench.compile.case import Case
from mmae_jax.bench.compile.describe import describe
from mmae_jax.bench.compile.measurement import DoesNotFitError
from mmae_jax.command_line.parser import add_config
from mmae_jax.spec import PHASES, SpecError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the bench's arguments to its parser."""
    add_config(parser, required=True)
    parser.add_argument("--phase", default="pretrain", choices=PHASES)
    parser.add_argument(
        "--topology", nargs="+", metavar="T", help="a slice or GPUs, e.g. v5e:16x16, h100:8; several with --sweep"
    )
    parser.add_argument("--slices", type=int, default=1, help="how many such slices, on a slow network (default: 1)")
    parser.add_argument("--mesh", nargs="+", metavar="M", help="e.g. data=-1,fsdp=8; several with --sweep")
    parser.add_argument("--batch_per_chip", type=int, default=16, help="samples (default: 16)")
    parser.add_argument("--quick", action="store_true", help="let the compiler try less, in half the time")
    parser.add_argument("--sweep", type=Path, metavar="DIR", help="a table and a figure of all topologies and meshes")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    topologies = options.topology or (sweep.TOPOLOGIES if options.sweep else ())
    meshes = options.mesh or (sweep.MESHES if options.sweep else ("",))
    cases = [_case(options, topology, mesh) for topology in topologies for mesh in meshes]
    if options.quick:
        hurry()
    if options.sweep is not None:
        sweep.run(cases, options.sweep)
        return
    if len(cases) != 1:
        raise SpecError(f"--topology, --mesh: expected one of each, or --sweep=DIR, found {len(cases)} to compile")
    try:
        print(describe(cases[0].title, cases[0].measure()))
    except DoesNotFitError as error:
        raise SpecError(f"{cases[0].title}: does not fit: {error}") from error


def hurry() -> None:
    """Tells XLA to spend less time on faster programs; memory and communication are about the same."""
    if hasattr(jax.config, "jax_exec_time_optimization_effort"):
        jax.config.update("jax_exec_time_optimization_effort", -1.0)
    else:  # from jax 0.12 on
        jax.config.update("jax_optimization_level", "O1")


def _case(options: argparse.Namespace, topology: str, mesh: str) -> Case:
    given = {name: value for name, value in vars(options).items() if name in {f.name for f in dataclasses.fields(Case)}}
    return Case(**given | {"overrides": tuple(map(str, options.overrides)), "topology": topology, "mesh": mesh})

"""The training step of a config on the devices at hand, on random inputs: start, speed, memory, where the time goes.

The step is the one that training runs; data need not be there.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from mmae_jax.bench import record
from mmae_jax.bench.compile.measurement import DoesNotFitError
from mmae_jax.bench.train import sweep as sweeps
from mmae_jax.bench.train.describe import describe, plain
from mmae_jax.bench.train.measurement import Measurement, measure, temporary_folder
from mmae_jax.command_line.config_file import load_experiment
from mmae_jax.command_line.overrides import Override
from mmae_jax.command_line.parser import add_config, check_at_least
from mmae_jax.compilation_cache import kept_programs
from mmae_jax.exit_codes import UsageError
from mmae_jax.spec import PHASES, Experiment, SpecError

STEPS = 10
CHOICES = f"{sweeps.SAME}: as in the config; default"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the bench's arguments to its parser."""
    add_config(parser, required=True)
    parser.add_argument("--phase", default="pretrain", choices=PHASES)
    parser.add_argument(
        "--batch",
        type=int,
        nargs="+",
        metavar="N",
        help="samples of a step, over all devices (default: the config's); several with --sweep",
    )
    parser.add_argument(
        "--steps", type=int, default=STEPS, help=f"in each of three runs (default: {STEPS}); 0: only the start"
    )
    parser.add_argument("--profile", type=Path, metavar="DIR", help="keeps the trace there (default: it is deleted)")
    parser.add_argument(
        "--sweep",
        action="store_true",
        help="try batch sizes (the config's doubled until memory ends) and the following",
    )
    parser.add_argument("--remat", nargs="+", metavar="R", help=f"with --sweep: values of model.remat ({CHOICES}: all)")
    parser.add_argument(
        "--attention",
        nargs="+",
        metavar="A",
        help=f"with --sweep: values of model.attention ({CHOICES}: the platform's)",
    )
    record.add_arguments(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    check_at_least(options, "steps", 1 if options.sweep else 0)
    batches = options.batch or [experiment_of(options, None).phase(options.phase).batch_size]
    if min(batches) < 1:
        raise UsageError(f"--batch: expected 1 or more, found {min(batches)}")
    if not options.sweep and (len(batches) > 1 or options.remat or options.attention):
        raise UsageError("--batch, --remat, --attention: expected --sweep with several values")
    if options.sweep:
        _sweep(options, sorted(batches))
    else:
        _report(options, batches[0], {}, {})


def _report(options: argparse.Namespace, batch: int, model: dict[str, str], more: dict[str, Any]) -> None:
    """Measures one step in full, prints it and writes its record with `more` in it."""
    try:
        found = _measure(options, batch, model, in_full=True)
    except DoesNotFitError as error:
        raise SpecError(f"--batch: expected a step that fits, found that of {batch} samples, which {error}") from error
    print(describe(f"{title_of(options)}, batch {batch}", found), flush=True)
    if options.json is not None:
        fields = case_of(options) | {"batch": batch} | {f"model.{name}": value for name, value in model.items()}
        record.write(options.json, record.record("train", fields | plain(found) | more, options.date))


def _sweep(options: argparse.Namespace, batches: Sequence[int]) -> None:
    """Measures a step for each batch size and choice, writing each at once; then the best of them in full."""
    fields = {
        name: getattr(options, name) or values for name, values in sweeps.fields_of(jax.default_backend()).items()
    }
    print(f"{title_of(options)}\n{sweeps.heading(fields)}", flush=True)
    trials: list[sweeps.Trial] = []
    for trial in sweeps.sweep(
        fields,
        lambda: batches if options.batch else sweeps.doublings(batches[0]),
        lambda batch, model: _measure(options, batch, model, in_full=False),
        known=_known(options),
    ):
        trials.append(trial)
        print(sweeps.line(trial, fields), flush=True)
        if options.json is not None:
            content = record.record("sweep", case_of(options) | {"trials": trials}, options.date)
            record.write(options.json, content)
    best = sweeps.best(trials)
    if best is None:
        raise SpecError("--sweep: expected a step that fits, found none")
    print(f"best that fits: {', '.join(f'{name} {best[name]}' for name in ('batch', *fields))}", flush=True)
    _report(options, best["batch"], {name: best[name] for name in fields}, {"trials": trials})


def _known(options: argparse.Namespace) -> Sequence[sweeps.Trial]:
    """Returns what a sweep by the same command that was cut off has measured."""
    if options.json is None or not options.json.exists():
        return ()
    before = record.read(options.json)
    now = {"what": "sweep", "command": record.command_line(), "hardware": record.hardware()}
    return before["found"]["trials"] if now.items() <= before.items() else ()


def _measure(options: argparse.Namespace, batch: int, model: dict[str, str], *, in_full: bool) -> Measurement:
    """Measures one step; in full with a profile."""
    experiment = experiment_of(options, batch, **model)
    with contextlib.ExitStack() as stack:
        stack.enter_context(cache_of(experiment))
        folder = None
        if in_full:
            folder = options.profile or Path(stack.enter_context(temporary_folder()))
        found = measure(experiment, options.phase, options.steps, folder)
    # A sweep has compiled and computed before: what follows is no start.
    return dataclasses.replace(found, start=None) if options.sweep else found


def experiment_of(options: argparse.Namespace, batch_size: int | None, **model: str) -> Experiment:
    """Returns the experiment of the command line with another batch size, and other fields of the model.

    Raises:
      SpecError: a field is not valid.
    """
    own = {f"{options.phase}.batch_size": str(batch_size)} if batch_size is not None else {}
    own |= {f"model.{name}": value for name, value in model.items() if value != sweeps.SAME}
    overrides = (*options.overrides, *(Override(field, value) for field, value in own.items()))
    return load_experiment(options.config, overrides)


def cache_of(experiment: Experiment) -> contextlib.AbstractContextManager[None]:
    """Returns what keeps compiled programs where the experiment names a folder; a bench has none of its own."""
    if experiment.compilation_cache is None:
        return contextlib.nullcontext()
    return kept_programs(experiment, experiment.compilation_cache)


def case_of(options: argparse.Namespace) -> dict[str, Any]:
    """Returns what is measured, for a record."""
    return {"config": options.config, "overrides": list(map(str, options.overrides)), "phase": options.phase}


def title_of(options: argparse.Namespace) -> str:
    """Returns what is measured, and on what, on one line."""
    found = record.hardware()
    settings = " ".join((options.config, *map(str, options.overrides)))
    return f"{settings}, {options.phase}, on {found['devices']} × {found['kind']}"

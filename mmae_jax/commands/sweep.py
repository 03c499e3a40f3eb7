"""Searches over fields: `python -m mmae_jax sweep --config=FILE --workdir=DIR --vary=finetune.base_lr=1e-4,3e-4,1e-3`.

Trains one trial after the other, each a run of `train` in a process and a folder of its own: all combinations of the
values, or with `--trials` so many at random. Trials are compared by the validation split. What is interrupted goes on
when the same command is given again; on several machines, or in the tasks of a SLURM array, the same command takes the
next trial that nobody trains (docs/training.md).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from absl import logging
from tqdm import tqdm

from mmae_jax import parallel, tasks
from mmae_jax.command_line.config_file import load_experiment
from mmae_jax.command_line.messages import show_messages
from mmae_jax.command_line.overrides import Override
from mmae_jax.command_line.parser import add_config, add_workdir, check_at_least
from mmae_jax.config import to_plain
from mmae_jax.exit_codes import DONE, FAILED, UsageError, meant
from mmae_jax.spec import Experiment, SpecError
from mmae_jax.spec.error import choices
from mmae_jax.sweep import space, summary
from mmae_jax.sweep.sweep import Sweep, announce
from mmae_jax.sweep.trial import FAILED as TRIAL_FAILED
from mmae_jax.sweep.trial import Monitor, Outcome, Trial


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    add_config(parser, required=True)
    add_workdir(parser, "folder of the sweep: a run for each trial, a table, a figure")
    parser.add_argument(
        "--vary",
        action="append",
        required=True,
        type=space.field,
        metavar="FIELD=VALUES",
        help="a field and its values a,b,c or log(LOW,HIGH), uniform(LOW,HIGH), int(LOW,HIGH); for each field once",
    )
    parser.add_argument("--trials", type=int, help="draw so many at random; by default all combinations of values")
    parser.add_argument("--seed", type=int, default=0, help="of the draws (default: 0)")
    parser.add_argument(
        "--monitor",
        help="score of the validation split, as in metrics.jsonl (default: that of the last phase, else the first "
        "score of its first target, else the loss)",
    )
    parser.add_argument(
        "--prune",
        type=int,
        metavar="EPOCHS",
        help="after so many epochs of the last phase, end a trial that is worse than the median of the others",
    )


def run(options: argparse.Namespace) -> int:
    """Trains the trials and prints the table; returns the exit code: 1 where all trials failed.

    Raises:
      UsageError: an option, or a value of a field, is none that there is.
      SpecError: another sweep was begun in the folder.
    """
    check_at_least(options, "trials", 1)
    check_at_least(options, "seed", 0)
    check_at_least(options, "prune", 1)
    show_messages()
    parallel.leave_accelerators()
    experiment = load_experiment(options.config, options.overrides)
    drawn = space.trials(options.vary, options.trials, options.seed)
    folder = Path(options.workdir)
    width = max(3, len(str(len(drawn) - 1)))
    trials = [Trial(i, values, folder / "trials" / f"{i:0{width}d}") for i, values in enumerate(drawn)]
    phases = {_checked(options, trial).phases[-1] for trial in trials}
    if len(phases) > 1:
        raise UsageError(f"--vary: expected trials with the same last phase, found {choices(sorted(phases))}")
    monitor = Monitor(phases.pop(), options.monitor or _monitored(experiment))
    _check_monitor(experiment, monitor)
    arguments = [f"--config={options.config}", *map(str, options.overrides)]
    if experiment.compilation_cache is None:  # shared: trials that differ in numbers alone are compiled once
        arguments.append(f"--config.compilation_cache={folder / 'compilation_cache'}")
    sweep = Sweep(folder, arguments, trials, monitor, options.prune)
    sweep.begin(
        {
            "experiment": to_plain(experiment),
            "vary": space.described(options.vary),
            "search": "grid" if options.trials is None else f"random, seed {options.seed}",
            "monitor": monitor.name,
            "prune": options.prune,
        }
    )
    return _go(sweep, options.vary)


def _go(sweep: Sweep, fields: list[space.Field]) -> int:
    before = len(summary.ended(sweep))
    with tqdm(total=len(sweep.trials), initial=before, unit="trial") as bar:

        def done(trial: Trial, outcome: Outcome) -> None:
            with tqdm.external_write_mode():
                announce(trial, outcome, sweep.monitor)
            bar.update(1)

        elsewhere = sweep.go(done)
    found = summary.ended(sweep)
    if found:
        summary.write(sweep, fields, found)
        print(summary.table(fields, found, sweep.monitor))
        print(f"\n{sweep.folder / 'trials.csv'}, {sweep.folder / 'sweep.png'}")
    if elsewhere:
        logging.info("trials still trained by others: %d; the same command shows them once they are done", elsewhere)
    failed = [trial for trial, outcome in found if outcome.state == TRIAL_FAILED]
    for trial in failed:
        logging.warning("trial %d failed, see %s; delete %s to train it again", trial.number, trial.lines, trial.folder)
    return FAILED if found and len(failed) == len(sweep.trials) else DONE


def _checked(options: argparse.Namespace, trial: Trial) -> Experiment:
    """Returns the experiment of a trial; what is wrong with one is said before any is trained."""
    overrides = [*options.overrides, *(Override(name, value) for name, value in trial.values.items())]
    try:
        return load_experiment(options.config, overrides)
    except SpecError as error:
        values = ", ".join(f"{name}={value}" for name, value in trial.values.items())
        raise UsageError(f"--vary: {values}: {error}") from error


def _monitored(experiment: Experiment) -> str:
    phase = experiment.phases[-1]
    if (found := experiment.phase(phase).monitor) is not None:
        return found
    if phase == "pretrain" or not experiment.targets:
        return "loss"
    return tasks.scores(experiment)[0]


def _check_monitor(experiment: Experiment, monitor: Monitor) -> None:
    known = ["loss"]
    if monitor.phase == "pretrain":
        known += [f"loss/{name}" for name in experiment.inputs]
    else:
        known += [*(f"loss/{name}" for name in experiment.targets), *tasks.scores(experiment)]
    if monitor.name not in known:
        raise UsageError(
            f"--monitor: expected one of {choices(known)}, found {monitor.name!r}{meant(monitor.name, known)}"
        )

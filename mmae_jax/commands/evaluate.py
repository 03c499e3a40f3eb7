"""Scores a trained model: `python -m mmae_jax evaluate --checkpoint=RUN --protocol=knn,linear`.

Vectors of the frozen encoder are computed once, kept, and shared by protocols; `finetuned` scores the heads as they
were trained, `attentive` trains new ones as the paper's probe does. Beside each score stand its 95 % interval and the
scores of controls: statistics of bands, the same network untrained, what is most frequent (docs/evaluation.md).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from mmae_jax.command_line.config_file import load_experiment
from mmae_jax.command_line.messages import show_messages
from mmae_jax.command_line.parser import add_config, check_at_least
from mmae_jax.command_line.scenes import add_model, is_run, kept
from mmae_jax.data.shards import open_shards
from mmae_jax.evaluate import results
from mmae_jax.evaluate.candidate import Candidate, open_candidate
from mmae_jax.evaluate.evaluation import ATTENTIVE, FINETUNED, Difference, Evaluation, Plan, Scored, differences
from mmae_jax.evaluate.groups import GroupBy
from mmae_jax.evaluate.protocols import DEFAULT_PRESET, PRESETS, PROTOCOLS
from mmae_jax.evaluate.samples import Reading
from mmae_jax.evaluate.worth import worth
from mmae_jax.exit_codes import UsageError, meant
from mmae_jax.launch.signals import Signals
from mmae_jax.spec import Experiment
from mmae_jax.spec.error import choices

T = TypeVar("T")
FOLDER, CACHE = "evaluation", "cache"
KNOWN = (FINETUNED, *PROTOCOLS, ATTENTIVE)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    add_model(parser)
    add_config(
        parser,
        help="experiment whose data and targets are evaluated (default: that of the model); "
        "--config.FIELD=VALUE overrides a field",
    )
    parser.add_argument("--shards", metavar="DIR", help="folder of prepared tiles (default: that of the experiment)")
    parser.add_argument("--split", default="test", help="what is scored (default: test)")
    parser.add_argument(
        "--protocol",
        type=_names,
        required=True,
        metavar="NAME,…",
        help=f"one or several of {', '.join(KNOWN)}",
    )
    parser.add_argument(
        "--preset", choices=PRESETS, default=DEFAULT_PRESET, help=f"whose settings (default: {DEFAULT_PRESET})"
    )
    parser.add_argument("--target", help="what is predicted; all targets of the experiment by default")
    parser.add_argument(
        "--label_fractions",
        type=_numbers(float),
        default=(1.0,),
        metavar="F,…",
        help="shares of the labels to learn from and choose by, such as 0.01,0.1,1 (default: 1)",
    )
    parser.add_argument(
        "--seeds",
        type=_numbers(int),
        default=(0,),
        metavar="S,…",
        help="by which parts of the labels are drawn and probes learnt (default: 0)",
    )
    parser.add_argument(
        "--group_by",
        metavar="5km|REGEX",
        help="samples that depend on each other: of a square on the ground, or with a part of the name in common "
        "(default: crops of a tile); they are drawn together, and never both learnt from and scored",
    )
    parser.add_argument(
        "--against", metavar="OTHER", help="workdir or export of a model to compare with, on the same samples"
    )
    parser.add_argument(
        "--controls", action=argparse.BooleanOptionalAction, default=True, help="score controls, too (default: yes)"
    )
    parser.add_argument(
        "--sensors",
        action="store_true",
        help="score, too, with each sensor switched off and alone, with fewer dates, and under more and fewer clouds",
    )
    parser.add_argument("--bootstrap", type=int, default=1000, help="draws of the intervals (default: 1000; 0: none)")
    parser.add_argument("--batch", type=int, default=32, help="samples that are computed at once (default: 32)")
    parser.add_argument("--workers", type=int, default=2, help="processes that read ahead (default: 2; 0: threads)")
    parser.add_argument("--cache", type=Path, help="folder of vectors that are kept (default: RUN/evaluation/cache)")
    parser.add_argument("--out", type=Path, help="folder to write (default: RUN/evaluation/PROTOCOLS-SPLIT)")


def run(options: argparse.Namespace) -> None:
    """Evaluates, writes the folder, and prints the scores.

    Raises:
      UsageError: an option is none that there is.
    """
    for name, least in (("bootstrap", 0), ("batch", 1), ("workers", 0)):
        check_at_least(options, name, least)
    if wrong := [fraction for fraction in options.label_fractions if not 0 < fraction <= 1]:
        raise UsageError(f"--label_fractions: expected shares above 0 and up to 1, found {wrong[0]:g}")
    if wrong := [seed for seed in options.seeds if seed < 0]:
        raise UsageError(f"--seeds: expected whole numbers from 0, found {wrong[0]}")
    if options.config is None and options.overrides:
        raise UsageError(f"{options.overrides[0]}: overrides a field of --config, found none")
    group_by = GroupBy() if options.group_by is None else GroupBy.parsed(options.group_by)
    out, cache = _folders(options)
    results.check_out(out)
    show_messages()
    begun = time.monotonic()
    config = None if options.config is None else load_experiment(options.config, options.overrides)
    with Signals():  # vectors that were computed are kept
        model = open_candidate(options.checkpoint, options.phase, options.averaged, config)
        against = None if options.against is None else open_candidate(options.against, None, None, config)
        experiment = model.model.experiment
        targets = _targets(options.target, experiment)
        shards = options.shards or experiment.data.dir
        if not shards:
            raise UsageError("--shards: expected a folder of prepared tiles, found none, and none in the experiment")
        reading = Reading(str(shards), targets, options.batch, options.workers, cache)
        plan = Plan(
            protocols=options.protocol,
            preset=options.preset,
            split=options.split,
            fractions=options.label_fractions,
            seeds=options.seeds,
            group_by=group_by,
            controls=options.controls,
            draws=options.bootstrap,
        )
        with kept(options, experiment):
            evaluation = Evaluation(plan, reading, model, against)
            scored = list(evaluation.run())
            compared = differences(scored)
            if options.sensors:
                scored += list(worth(plan, reading, model, tuple(scored)))
    about = results.About(
        experiment=experiment,
        checkpoint=options.checkpoint,
        phase=model.phase,
        weights=model.model.digest,
        against=_told(against),
        reading=reading,
        identity=open_shards(reading.experiment(model)).identity,
        splits=evaluation.splits,
        plan=plan,
        group_by=options.group_by,
        seconds=time.monotonic() - begun,
    )
    _finish(out, about, scored, compared)


def _finish(out: Path, about: results.About, scored: list[Scored], compared: list[Difference]) -> None:
    results.write(out, about, scored, compared)
    targets = about.experiment.dataset.targets
    print(results.summary(about.plan, {name: targets[name] for name in about.reading.targets}, scored))
    if compared:
        print(results.compared_summary(compared, targets))
    print(f"\n{out / results.RESULTS_FILE}, {results.SCORES_FILE}, {results.PREDICTIONS_FILE}")


def _folders(options: argparse.Namespace) -> tuple[Path, Path]:
    """Returns where results are written, and where vectors are kept."""
    of_run = is_run(options.checkpoint)
    if options.out is None and not of_run:
        raise UsageError(
            f"--out: expected a folder to write, as {options.checkpoint} is no workdir of a run; found none"
        )
    folder = Path(options.checkpoint) / FOLDER if of_run else options.out.parent
    name = "-".join([*options.protocol, options.split])
    return options.out or folder / name, options.cache or folder / CACHE


def _targets(wanted: str | None, experiment: Experiment) -> tuple[str, ...]:
    known = experiment.targets or tuple(experiment.dataset.targets)
    if wanted is None:
        return known
    if wanted not in experiment.dataset.targets:
        known = tuple(experiment.dataset.targets)
        raise UsageError(f"--target: expected one of {choices(known)}, found {wanted}{meant(wanted, known)}")
    return (wanted,)


def _told(against: Candidate | None) -> dict[str, str | None] | None:
    if against is None:
        return None
    return {"checkpoint": against.where, "phase": against.phase, "weights": against.model.digest}


def _names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in KNOWN:
            said = f"expected some of {choices(KNOWN)}, found {name!r}{meant(name, KNOWN)}"
            raise argparse.ArgumentTypeError(said)  # argparse would hide the message of any ValueError
    return names


def _numbers(kind: Callable[[str], T]) -> Callable[[str], tuple[T, ...]]:
    def numbers(text: str) -> tuple[T, ...]:
        try:
            return tuple(dict.fromkeys(kind(part) for part in text.split(",")))
        except ValueError:
            raise argparse.ArgumentTypeError(f"expected numbers such as 0,1, found {text!r}") from None

    return numbers

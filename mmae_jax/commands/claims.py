"""Asks whether a claim about models holds: `python -m mmae_jax claims temporal_fusion --out=DIR`.

Trains the kinds of run that the claim compares, each on several folds and seeds, in processes of their own, and ends
with differences, their 95 % intervals and a verdict: *holds*, *does not hold*, or *cannot be told*. By default on
made-up landscapes, in which the claim is set to be true, and in which it is not; on your own data with `--config` and
`--shards`. What is interrupted goes on when the same command is given again. `--out` gathers all that was found,
`--page` writes it as a page of Markdown (docs/claims.md). `paper_…` are tables of arXiv 2508.10894, with `--data` on
your copy of its datasets: our scores beside the published ones, and before it starts, the cost (docs/paper_tables.md).
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
from absl import logging
from etils import epath

from mmae_jax import parallel, tasks
from mmae_jax.claims import claim as claims
from mmae_jax.claims import finding as findings
from mmae_jax.claims import markdown
from mmae_jax.claims.claim import Claim, Landscape
from mmae_jax.claims.figure import figure
from mmae_jax.claims.finding import Finding
from mmae_jax.claims.page import write_page
from mmae_jax.claims.paper import asked as paper
from mmae_jax.claims.repeating import repeating
from mmae_jax.claims.run import SPLIT, check_tested, shown
from mmae_jax.claims.table import ArmRun, Base, runs
from mmae_jax.claims.work import watched
from mmae_jax.command_line.config_file import load_experiment, load_fields
from mmae_jax.command_line.data_preparation import data_prep
from mmae_jax.command_line.messages import show_messages
from mmae_jax.command_line.overrides import Override
from mmae_jax.command_line.parser import add_config, check_at_least
from mmae_jax.config import to_plain
from mmae_jax.data.shards import open_shards
from mmae_jax.exit_codes import DONE, FAILED, UsageError, meant
from mmae_jax.formats import begun_otherwise
from mmae_jax.launch.run_folder import seconds_taken
from mmae_jax.report.output import save_png
from mmae_jax.spec import Experiment, SpecError
from mmae_jax.spec.error import choices
from mmae_jax.train.exclusive import exclusive

FORMAT_VERSION = 1
ALL = "all"
MADE_UP_FOLDS = 5
TILES = 3200


@dataclasses.dataclass(frozen=True)
class Data:
    """Data on which a claim is tried.

    Attributes:
      name: of its folder.
      about: what it is, for the page.
      folds: folders of shards.
      config: experiment, as `--config` has it.
      fields: dotted name of a field → its value.
      verdicts: what the verdict on a comparison must be: whether it holds; None where that is not known.
      same: whether folds are parts of the same data.
    """

    name: str
    about: str
    folds: Sequence[Path]
    config: str
    fields: dict[str, object]
    verdicts: Mapping[str, bool] | None
    same: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument(
        "names",
        nargs="*",
        metavar="CLAIM",
        help=f"{ALL}, a Python file, or any of {', '.join(claims.names())}; or tables: {', '.join(paper.names())}",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of all runs and findings")
    add_config(
        parser, help="experiment on your own data (default: made-up landscapes); --config.FIELD=VALUE overrides a field"
    )
    parser.add_argument(
        "--shards", metavar="DIR,…", help="folders of prepared tiles, one for each fold (default: that of --config)"
    )
    parser.add_argument("--data_name", help="how the data are called (default: the name of the dataset)")
    parser.add_argument("--metric", help="score of the test split (default: the first one of the first target)")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each kind on each fold (default: 1)")
    parser.add_argument("--folds", type=int, help=f"landscapes of each kind (default: {MADE_UP_FOLDS})")
    parser.add_argument("--processes", type=int, default=1, help="runs at a time (default: 1)")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write all that was found in --out as Markdown")
    paper.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Does the runs and says what was found; returns the exit code.

    1 where a run failed, or a verdict on a landscape is not the one that it was made for.

    Raises:
      UsageError: an option, or a claim, is none that there is.
      SpecError: something else was begun in the folder.
    """
    for name in ("seeds", "folds", "processes"):
        check_at_least(options, name, 1)
    if paper.is_asked(options):
        return paper.run(options)
    if options.config is None and (options.overrides or options.shards or options.data_name):
        raise UsageError("--shards, --data_name and --config.FIELD: expected --config, too")
    if options.config is not None and options.folds is not None:
        raise UsageError("--folds: only for made-up landscapes; with --config there is one fold for each of --shards")
    if not options.names and options.page is None:
        raise UsageError(f"expected claims: {ALL}, or any of {choices(claims.names())}")
    names = claims.names() if ALL in options.names else list(dict.fromkeys(options.names))
    fields = None if options.config is None else load_fields(options.config, options.overrides)
    opened = {name: claims.open_claim(name, None if fields is None else fields.get("inputs", {})) for name in names}
    if without := [name for name, claim in opened.items() if fields is None and not claim.landscapes]:
        raise UsageError(f"{without[0]}: is made for no landscapes, expected --config")
    show_messages()
    parallel.leave_accelerators()
    if options.config is not None and names:
        _check_folds(options)
    found, failed = [], False
    if opened:
        options.out.mkdir(parents=True, exist_ok=True)
        with exclusive(epath.Path(options.out)):
            for name, claim in opened.items():
                for data in _data(options, claim):
                    one = _ask(options, Path(name).stem, claim, data)
                    failed |= one is None
                    found += [] if one is None else [one]
    if found:
        print(markdown.summary(found))
    if options.page is not None:
        print(f"wrote {write_page(options.out, options.page)}")
    wrong = [one for one in found if not one.as_set]
    for one in wrong:
        logging.warning("%s on %s: another verdict than the data were made for", one.claim, one.data)
    return FAILED if failed or wrong else DONE


def _data(options: argparse.Namespace, claim: Claim) -> list[Data]:
    if options.config is None:
        folds = options.folds or MADE_UP_FOLDS
        return [_landscape(options.out, name, one, folds) for name, one in claim.landscapes.items()]
    experiment = load_experiment(options.config, options.overrides)
    folders = _folders(options, experiment)
    fields: dict[str, object] = {override.field: override.value for override in options.overrides}
    name = options.data_name or experiment.dataset.name
    about = f"{', '.join(experiment.inputs)} of {experiment.dataset.name}"
    return [Data(name, about, [Path(one) for one in folders], options.config, fields, None, True)]


def _folders(options: argparse.Namespace, experiment: Experiment) -> list[str]:
    return options.shards.split(",") if options.shards else [experiment.data.dir]


def _check_folds(options: argparse.Namespace) -> None:
    """Checks all shards before the first run: the last fold is trained on hours later.

    Raises:
      UsageError: a folder is named twice, which would make two folds of one.
      SpecError: one is not there, does not fit the experiment, or has nothing to test on.
    """
    seen: set[Path] = set()
    for folder in _folders(options, load_experiment(options.config, options.overrides)):
        if Path(folder).resolve() in seen:
            raise UsageError(f"--shards: expected another folder for each fold, found {folder} twice")
        seen.add(Path(folder).resolve())
        experiment = load_experiment(options.config, [*options.overrides, Override("data.dir", folder)])
        check_tested(open_shards(experiment))


def _landscape(out: Path, name: str, landscape: Landscape, folds: int) -> Data:
    """Makes landscapes, one a fold, where they are not there yet."""
    arguments = [f"--{key}" if value is True else f"--{key}={value}" for key, value in landscape.truth.items()]
    arguments.append(f"--tiles={TILES}")
    kind = "-".join(argument.removeprefix("--").replace("=", "_") for argument in arguments)
    shards = [_made_up(out / "landscapes" / kind / str(fold), fold, arguments) for fold in range(folds)]
    about = f"Made-up trial fields: `{' '.join(arguments)}`; each fold is another landscape"
    return Data(name, about, shards, landscape.config, dict(landscape.fields), landscape.verdicts, False)


def _made_up(folder: Path, seed: int, arguments: Sequence[str]) -> Path:
    raw, shards = folder / "raw", folder / "shards"
    if not shards.exists():
        if not raw.exists():
            data_prep("synthetic", "trial_fields", f"--out_dir={raw}", f"--seed={seed}", *arguments)
        data_prep("trial_fields", f"--raw_dir={raw}", f"--out_dir={shards}")
    return shards


def _ask(options: argparse.Namespace, name: str, claim: Claim, data: Data) -> Finding | None:
    """Does the runs of a claim on some data and writes what was found; None where a run failed."""
    claim = claim if data.verdicts is None else claim.only(data.verdicts)
    overrides = [Override(field, shown(value)) for field, value in data.fields.items()]
    overrides.append(Override("data.dir", str(data.folds[0])))
    experiment = load_experiment(data.config, overrides)
    metric = _metric(options.metric, experiment)
    base = Base(
        data.config, data.fields, data.folds, options.seeds, experiment.phases, options.out / "compilation_cache"
    )
    folder = options.out / name / data.name.replace(" ", "_")
    table = runs(claim, base, folder)
    _begin(folder, claim, base)
    if not watched(table, f"{name}, {data.name}", options.processes, lambda _: metric):
        return None
    return _found(name, claim, data, experiment, table, metric, options, folder)


def _metric(name: str | None, experiment: Experiment) -> str:
    if not experiment.targets:
        raise UsageError("--config: expected an experiment with a target, by whose scores runs are compared")
    known = tasks.scores(experiment)
    if name is not None and name not in known:
        raise UsageError(f"--metric: expected one of {choices(known)}, found {name!r}{meant(name, known)}")
    return name or known[0]


def _begin(folder: Path, claim: Claim, base: Base) -> None:
    """Writes what is asked, or checks that it is what was begun here; more folds and seeds would be others' numbers.

    Raises:
      SpecError: something else was begun; names what differs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    described = {
        "arms": {name: to_plain(arm) for name, arm in claim.arms.items()},
        "config": base.config,
        "fields": {name: shown(value) for name, value in base.fields.items()},
        "folds": [str(fold) for fold in base.folds],
        "seeds": base.seeds,
    }
    if (other := begun_otherwise(epath.Path(folder / "claim.json"), FORMAT_VERSION, described)) is not None:
        name, before, now = other
        raise SpecError(f"{folder}: was begun with {name} {before}, found {now}; choose another --out or --data_name")


def _found(
    name: str,
    claim: Claim,
    data: Data,
    experiment: Experiment,
    table: Sequence[ArmRun],
    metric: str,
    options: argparse.Namespace,
    folder: Path,
) -> Finding:
    shards = open_shards(experiment)
    trained = experiment.phase(experiment.phases[-1]).train_splits
    tested = shards.num_samples((SPLIT,)) / shards.num_samples(trained) if data.same else None
    arms, compared = findings.compare(claim, table, metric, tested, data.verdicts)
    device = jax.devices()[0].device_kind
    found = Finding(
        claim=name,
        question=claim.question,
        published=claim.published,
        data=data.name,
        about=data.about,
        metric=metric,
        folds=len(data.folds),
        seeds=options.seeds,
        arms=arms,
        compared=compared,
        seconds=round(sum(seconds_taken(run.folder) for run in table), 1),
        device=device,
        command=repeating(name, ("--out", "--page", "--processes"), "--out=DIR"),
    )
    findings.write(folder, found)
    save_png(figure(found), folder / markdown.FIGURE)
    (folder / "finding.md").write_text(markdown.claim([found], [markdown.FIGURE]), encoding="utf-8")
    return found

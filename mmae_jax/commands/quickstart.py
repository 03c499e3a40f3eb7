"""Everything once, on made-up data, in minutes on a laptop: `python -m mmae_jax quickstart`.

Makes up a forest landscape, prepares it as shards, pretrains a small model on all tiles, and learns genera from the few
that are labelled: from its frozen vectors, beside the same network untrained and statistics of the bands, and by
finetuning, beside a model that was trained without pretraining for as many steps in all. It ends with a report, and the
weights with PyTorch names. An interrupted run goes on; what is finished is not done again.

On CPUs, of which a small model hardly uses a second one, both models are trained at a time.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import jax
from absl import logging
from safetensors import safe_open

import configs.quickstart
from mmae_jax import compilation_cache
from mmae_jax.command_line.config_file import load_experiment
from mmae_jax.command_line.data_preparation import data_prep
from mmae_jax.command_line.messages import show_messages
from mmae_jax.command_line.parser import add_config, check_at_least
from mmae_jax.commands.evaluate import FOLDER
from mmae_jax.data.pipeline import steps_per_epoch
from mmae_jax.data.shards import Shards, open_shards
from mmae_jax.evaluate.evaluation import BANDS, CHECKPOINT, UNTRAINED
from mmae_jax.exit_codes import DONE
from mmae_jax.launch import child
from mmae_jax.launch.run_folder import why_ended
from mmae_jax.spec import Experiment, SpecError
from mmae_jax.train import loop
from mmae_jax.weights import torch_names
from mmae_jax.weights.export import export
from mmae_jax.weights.result import read_result

STAGES = 5
FRACTIONS = (0.1, 0.2, 0.5, 1.0)
"""Of the labels, from which frozen vectors learn."""
METRIC = "weighted_ap"
"""Needs no threshold, below which few labels leave all classes."""
FROZEN = {
    CHECKPOINT: "frozen vectors, pretrained",
    UNTRAINED: "frozen vectors, untrained",
    BANDS: "statistics of the bands",
}
LANDSCAPE = ("--s2_dates=40", "--s1_dates=8")


@dataclasses.dataclass(frozen=True)
class Paths:
    """Where everything is."""

    workdir: Path

    @property
    def raw(self) -> Path:
        """Made-up raw data."""
        return self.workdir / "raw"

    @property
    def shards(self) -> Path:
        """The same, prepared."""
        return self.workdir / "shards"

    @property
    def compiled(self) -> Path:
        """Compiled programs."""
        return self.workdir / compilation_cache.FOLDER

    @property
    def pretrained(self) -> Path:
        """Run of all phases."""
        return self.workdir / "pretrained"

    @property
    def scratch(self) -> Path:
        """Run of the last phase only."""
        return self.workdir / "no_ssl"

    @property
    def scratch_lines(self) -> Path:
        """What that run writes where it is a process of its own."""
        return self.workdir / "no_ssl.log"

    @property
    def frozen(self) -> Path:
        """Scores of what is learnt from frozen vectors."""
        return self.pretrained / FOLDER / "frozen"

    @property
    def finetuned(self) -> Path:
        """Scores of both runs."""
        return self.pretrained / FOLDER / "finetuned"

    @property
    def report(self) -> Path:
        """What was found, as a page."""
        return self.workdir / "report.html"

    @property
    def weights(self) -> Path:
        """Weights with PyTorch names."""
        return self.workdir / "weights.safetensors"


def quickstart(experiment: Experiment, source: Sequence[str], workdir: Path, tiles: int) -> str:
    """Does what is not yet done, and returns a summary.

    Args:
      experiment: what to train; its `data.dir` and `phases` are set here.
      source: the options of the command line that it comes from.
      workdir: folder for everything.
      tiles: number of made-up tiles.

    Raises:
      SpecError: something does not fit, such as a `workdir` of another experiment.
      DivergedError: a loss is not finite.
    """
    paths = Paths(workdir)
    _make_shards(paths, tiles)
    # One folder for both runs: the second finetuning is the same program as the first.
    cache = experiment.compilation_cache or str(paths.compiled)
    data = dataclasses.replace(experiment.data, dir=str(paths.shards))
    experiment = dataclasses.replace(experiment, data=data, compilation_cache=cache)
    shards = open_shards(experiment)
    found = shards.num_tiles(("train", "val", "test"))
    if found != tiles:
        raise SpecError(f"--tiles: {paths.shards} holds {found} tiles, expected {tiles}; choose another --workdir")
    train = experiment.finetune
    longer = dataclasses.replace(train, epochs=train.epochs + _epochs_of_pretraining(experiment, shards))
    scratch = dataclasses.replace(experiment, phases=("finetune",), finetune=longer)
    with _trained_beside(scratch, source, paths) if _takes_another() else _trained_later(scratch, paths) as trained:
        _announce(2, f"pretrain on {shards.num_tiles(experiment.pretrain.train_splits)} tiles, finetune on some labels")
        loop.run(dataclasses.replace(experiment, phases=("pretrain", "finetune")), paths.pretrained)
        _announce(3, "train without pretraining on the same labels, for as many steps in all")
        trained()
    _announce(4, "score both, and what frozen vectors tell")
    fractions = ",".join(f"{fraction:g}" for fraction in FRACTIONS)
    _evaluate(paths.frozen, paths.pretrained, "--phase=pretrain", "--protocol=linear", f"--label_fractions={fractions}")
    _evaluate(paths.finetuned, paths.pretrained, "--protocol=finetuned", f"--against={paths.scratch}")
    _announce(5, "write a report, and export the weights")
    if not paths.report.exists():
        _command("report", str(paths.pretrained), str(paths.scratch), f"--out={paths.report}")
    if not paths.weights.exists():
        export(paths.pretrained, paths.weights, "finetune")
    check_weights(paths.weights, experiment)
    return _summary(paths, experiment, shards)


def _takes_another() -> bool:
    """Returns whether a second process finds room; the memory of an accelerator is the first one's."""
    return jax.default_backend() == "cpu" and (os.cpu_count() or 1) > 1


@contextlib.contextmanager
def _trained_later(experiment: Experiment, paths: Paths) -> Iterator[Callable[[], None]]:
    """Gives a function that trains without pretraining."""
    yield lambda: loop.run(experiment, paths.scratch)


@contextlib.contextmanager
def _trained_beside(experiment: Experiment, source: Sequence[str], paths: Paths) -> Iterator[Callable[[], None]]:
    """Trains without pretraining in a process of its own, and gives a function that waits for it.

    Left before its end, the process is told to end, and saves its state.

    Raises:
      SpecError: from the function, where the process failed; says how.
    """
    if read_result(paths.scratch, "finetune") is not None:
        yield lambda: None
        return
    fields = {
        "data.dir": experiment.data.dir,
        "compilation_cache": experiment.compilation_cache,
        "phases": ",".join(experiment.phases),
        "finetune.epochs": experiment.finetune.epochs,
    }
    overrides = [f"--config.{name}={value}" for name, value in fields.items()]
    with paths.scratch_lines.open("ab") as lines:
        process = child.start(["train", *source, *overrides, f"--workdir={paths.scratch}"], lines)

    def trained() -> None:
        if process.poll() is None:
            logging.info("it was begun beside the first; its lines are in %s", paths.scratch_lines)
        if (code := process.wait()) != DONE:
            raise SpecError(f"{paths.scratch}: {why_ended(code, paths.scratch_lines)}")

    try:
        yield trained
    finally:
        process.terminate()
        process.wait()


def _epochs_of_pretraining(experiment: Experiment, shards: Shards) -> int:
    """Returns in how many epochs finetuning does the steps of pretraining."""
    steps = {
        phase: steps_per_epoch(shards.num_samples(one.train_splits), one.batch_size)
        for phase, one in (("pretrain", experiment.pretrain), ("finetune", experiment.finetune))
    }
    return -(-experiment.pretrain.epochs * steps["pretrain"] // steps["finetune"])


def _evaluate(out: Path, run: Path, *arguments: str) -> None:
    if not out.exists():
        _command("evaluate", f"--checkpoint={run}", "--workers=0", f"--out={out}", *arguments)


def _command(name: str, *arguments: str) -> None:
    """Runs a command of `python -m mmae_jax`, which reports its problems itself."""
    from mmae_jax.command_line.program import main

    logging.info("python -m mmae_jax %s", " ".join([name, *arguments]))
    code = main([name, *arguments])
    if code:
        sys.exit(code)


def _announce(stage: int, what: str) -> None:
    logging.info("[%d/%d] %s", stage, STAGES, what)


def _make_shards(paths: Paths, tiles: int) -> None:
    _announce(1, f"make up {tiles} forest tiles and prepare them as shards")
    if paths.shards.exists():
        return
    if not paths.raw.exists():
        data_prep("synthetic", "treesatai_ts", f"--out_dir={paths.raw}", f"--tiles={tiles}", *LANDSCAPE)
    data_prep("treesatai_ts", f"--raw_dir={paths.raw}", f"--out_dir={paths.shards}")


def check_weights(file: Path, experiment: Experiment) -> None:
    """Reads the names and shapes of exported weights back.

    Raises:
      SpecError: they are not those of the reference's state dict for `experiment`.
    """
    expected = {weight.name: weight.shape for weight in torch_names.weights(experiment)}
    with safe_open(str(file), framework="numpy") as tensors:
        found = {name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118
    wrong = [name for name in {**expected, **found} if expected.get(name) != found.get(name)]
    if wrong:
        raise SpecError(f"{file}: expected the names and shapes of the model, found others: {', '.join(wrong)}")


def _summary(paths: Paths, experiment: Experiment, shards: Shards) -> str:
    tiles, labelled = shards.num_tiles(("test",)), shards.num_tiles(experiment.finetune.train_splits)
    share = experiment.finetune.label_fraction
    metric = f"{experiment.targets[0]}/{METRIC}"
    lines = ["", f"{metric} on {tiles} test tiles, with its 95 % interval", ""]
    heads = [f"{100 * fraction:g} % of labels" for fraction in FRACTIONS]
    rows = [["logistic regression on", *heads]]
    frozen = json.loads((paths.frozen / "results.json").read_text())
    for of, name in FROZEN.items():
        found = {one["label_fraction"]: one["scores"][METRIC] for one in frozen["results"] if one["of"] == of}
        rows.append([name, *(_interval(found[fraction]) for fraction in FRACTIONS)])
    lines += _columns(rows)
    finetuned = json.loads((paths.finetuned / "results.json").read_text())
    both = {one["of"]: one["scores"][METRIC] for one in finetuned["results"] if one["protocol"] == "finetuned"}
    pretrained, scratch = both["checkpoint"], both[str(paths.scratch)]
    difference = next(
        each for each in finetuned["differences"] if each["metric"] == METRIC and each["against"] == str(paths.scratch)
    )
    few = f"{round(share * labelled)} labelled tiles"
    lines += [
        "",
        *_columns(
            [
                [f"all weights trained on {few}", ""],
                ["pretrained, then finetuned", _interval(pretrained)],
                ["not pretrained, as many steps", _interval(scratch)],
                ["difference", _interval(difference, "+")],
            ]
        ),
    ]
    places = {
        "report": paths.report,
        "scores": f"{paths.frozen}, {paths.finetuned}",
        "shards": paths.shards,
        "metrics": paths.pretrained / "metrics.jsonl",
        "checkpoints": paths.pretrained / "finetune" / "checkpoints",
        "figures": paths.pretrained / "figures",
        "without pretraining": paths.scratch,
        "weights": f"{paths.weights} (PyTorch names)",
        "TensorBoard": f"tensorboard --logdir {paths.workdir}",
    }
    width = max(map(len, places)) + 2
    return "\n".join([*lines, "", *(f"{name:{width}}{place}" for name, place in places.items())])


def _interval(score: dict[str, float | None], sign: str = "") -> str:
    value, low, high = (score[name] for name in ("value", "low", "high"))
    if value is None or low is None or high is None:  # too few tiles
        return "-" if value is None else f"{value:{sign}.2f}"
    return f"{value:{sign}.2f} [{low:{sign}.2f}, {high:{sign}.2f}]"


def _columns(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) + 2 for column in zip(*rows, strict=True)]
    return ["".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    from data_prep.arguments import path

    add_config(
        parser,
        default=configs.quickstart.__file__,
        help="experiment (default: configs/quickstart.py); --config.FIELD=VALUE overrides a field",
    )
    parser.add_argument(
        "--workdir",
        type=path,
        default="runs/quickstart",
        help="folder for everything; an interrupted run goes on there (default: runs/quickstart)",
    )
    parser.add_argument(
        "--tiles", type=int, default=480, help="made-up tiles: 2/3 train, 1/6 val, 1/6 test (default: 480)"
    )


def run(options: argparse.Namespace) -> None:
    """Runs the quickstart and prints its summary."""
    check_at_least(options, "tiles", 3)
    experiment = load_experiment(options.config, options.overrides)
    show_messages()
    source = [f"--config={options.config}", *map(str, options.overrides)]
    print(quickstart(experiment, source, options.workdir, options.tiles))

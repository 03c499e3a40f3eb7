"""Everything once, on made-up data, in minutes on a laptop: `python -m mmae_jax quickstart`.

Makes up a forest landscape, prepares it as shards, pretrains, probes and finetunes a small model, finetunes the same
model without pretraining, compares them on the test split, and writes the weights with PyTorch names. An interrupted
run goes on; what is finished is not done again.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path

from absl import logging
from safetensors import safe_open

import configs.quickstart
from mmae_jax import compilation_cache, report
from mmae_jax.command_line.config_file import load_experiment
from mmae_jax.command_line.messages import show_messages
from mmae_jax.command_line.parser import add_config, check_at_least
from mmae_jax.data.shards import open_shards
from mmae_jax.spec import Experiment, SpecError
from mmae_jax.train import loop
from mmae_jax.weights import torch_names
from mmae_jax.weights.export import export
from mmae_jax.weights.result import read_result

METRICS = ("weighted_f1", "weighted_ap")
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
    def comparison(self) -> Path:
        """Figure of both runs."""
        return self.workdir / "comparison.png"

    @property
    def weights(self) -> Path:
        """Weights with PyTorch names."""
        return self.workdir / "weights.safetensors"


def quickstart(experiment: Experiment, workdir: Path, tiles: int) -> str:
    """Does what is not yet done, and returns a summary.

    Args:
      experiment: what to train; its `data.dir` and `phases` are set here.
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
    _announce(2, f"pretrain on {shards.num_tiles(experiment.pretrain.train_splits)} tiles, probe, finetune")
    loop.run(dataclasses.replace(experiment, phases=("pretrain", "probe", "finetune")), paths.pretrained)
    _announce(3, "finetune without pretraining, for comparison")
    loop.run(dataclasses.replace(experiment, phases=("finetune",)), paths.scratch)
    _announce(4, "compare, and export the weights")
    scores = _scores(experiment.targets[0], paths)
    if not paths.comparison.exists():
        report.save_png(report.comparison(f"{experiment.targets[0]}, test split", scores), paths.comparison)
    if not paths.weights.exists():
        export(paths.pretrained, paths.weights, "finetune")
    check_weights(paths.weights, experiment)
    return _summary(scores, paths, shards.num_tiles(("test",)))


def _announce(stage: int, what: str) -> None:
    logging.info("[%d/4] %s", stage, what)


def _make_shards(paths: Paths, tiles: int) -> None:
    _announce(1, f"make up {tiles} forest tiles and prepare them as shards")
    if paths.shards.exists():
        return
    if not paths.raw.exists():
        _data_prep("synthetic", "treesatai_ts", f"--out_dir={paths.raw}", f"--tiles={tiles}", *LANDSCAPE)
    _data_prep("treesatai_ts", f"--raw_dir={paths.raw}", f"--out_dir={paths.shards}")


def _data_prep(*arguments: str) -> None:
    """Runs a command of `python -m data_prep`, which reports its problems itself."""
    from data_prep.__main__ import main

    logging.info("python -m data_prep %s", " ".join(arguments))
    code = main(arguments)
    if code:
        sys.exit(code)


def _scores(target: str, paths: Paths) -> dict[str, dict[str, float]]:
    """Returns run → metric → value on the test split."""
    runs = {
        "probe (encoder frozen)": (paths.pretrained, "probe"),
        "finetune": (paths.pretrained, "finetune"),
        "finetune without pretraining": (paths.scratch, "finetune"),
    }
    results = {name: read_result(folder, phase) for name, (folder, phase) in runs.items()}
    return {
        name: {metric: result.scores["test"][f"{target}/{metric}"] for metric in METRICS}
        for name, result in results.items()
        if result is not None
    }


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


def _summary(scores: dict[str, dict[str, float]], paths: Paths, test_tiles: int) -> str:
    width = max(map(len, scores)) + 2
    lines = ["", f"{f'on {test_tiles} test tiles':{width}}  weighted F1  weighted AP"]
    for name, values in scores.items():
        lines.append(f"{name:{width}}" + "".join(f"{values[metric]:13.3f}" for metric in METRICS))
    places = {
        "shards": paths.shards,
        "metrics": paths.pretrained / "metrics.jsonl",
        "checkpoints": paths.pretrained / "finetune" / "checkpoints",
        "figures": f"{paths.pretrained / 'figures'}, {paths.comparison}",
        "without pretraining": paths.scratch,
        "weights": f"{paths.weights} (PyTorch names)",
        "TensorBoard": f"tensorboard --logdir {paths.workdir}",
    }
    lines += ["", *(f"{name:{width}}  {place}" for name, place in places.items())]
    return "\n".join(lines)


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
    print(quickstart(experiment, options.workdir, options.tiles))

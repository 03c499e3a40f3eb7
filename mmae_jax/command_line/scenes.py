"""Options of commands that apply a trained model to a scene."""

from __future__ import annotations

import argparse
import contextlib

from etils import epath

from mmae_jax.command_line.parser import check_at_least
from mmae_jax.compilation_cache import kept_programs
from mmae_jax.exit_codes import UsageError
from mmae_jax.pretrained import Pretrained, load
from mmae_jax.scenes.scene import Scene
from mmae_jax.scenes.work import Share, share
from mmae_jax.spec import PHASES, Experiment


def add_model(parser: argparse.ArgumentParser) -> None:
    """Adds from where the model comes: `--checkpoint`, `--phase`, `--averaged`."""
    parser.add_argument("--checkpoint", required=True, help="workdir of a run, or exported weights")
    parser.add_argument("--phase", choices=PHASES, help="phase of the run; the last finished one by default")
    parser.add_argument(
        "--averaged",
        action=argparse.BooleanOptionalAction,
        help="use the moving average; by default where the phase was scored by it",
    )


def add_scene(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Adds what is read and how: `--scene`, `--accept`, `--batch`, `--workers`, `--shard`."""
    parser.add_argument(
        "--scene", required=required, help="description of the scene: .py, .yaml, or STAC items (.json)"
    )
    parser.add_argument(
        "--accept",
        type=_checks,
        default=frozenset(),
        metavar="CHECK,…",
        help="images are right in this after all, see docs/checks.md",
    )
    parser.add_argument("--batch", type=int, default=8, help="squares that are computed at once (default: 8)")
    parser.add_argument("--workers", type=int, default=2, help="processes that read ahead (default: 2; 0: threads)")
    parser.add_argument("--shard", metavar="i/n", help="do part i of n, from 0/n on, and leave putting together")


def _checks(text: str) -> frozenset[str]:
    from data_prep.arguments import checks

    return checks(text)


def checked_share(options: argparse.Namespace) -> Share | None:
    """Returns the part of the work that the options ask for, None for all.

    Raises:
      UsageError: it is none, or `--batch` or `--workers` is too small.
    """
    check_at_least(options, "batch", 1)
    check_at_least(options, "workers", 0)
    return None if options.shard is None else share(options.shard)


def open_model(options: argparse.Namespace) -> Pretrained:
    """Returns the model that the options name."""
    return load(options.checkpoint, options.phase, options.averaged)


def open_scene(options: argparse.Namespace, experiment: Experiment) -> Scene:
    """Returns the scene that the options name.

    Raises:
      SpecError: the description is wrong, or the images contradict the sensor contract.
      UsageError: the libraries that read images are not installed.
    """
    try:
        from data_prep.scenes import open_scene as opened
    except ModuleNotFoundError as error:
        raise UsageError(f"--scene needs {error.name}: pip install 'mmae_jax[predict]'") from error

    return opened(options.scene, experiment, options.accept)


def kept(options: argparse.Namespace, experiment: Experiment) -> contextlib.AbstractContextManager[None]:
    """Keeps compiled programs beside those of the run, if the model comes from one, while it is entered."""
    if experiment.compilation_cache is None and not is_run(options.checkpoint):
        return contextlib.nullcontext()
    return kept_programs(experiment, options.checkpoint)


def is_run(checkpoint: epath.PathLike) -> bool:
    """Returns whether a model comes from the workdir of a run, rather than from an export."""
    return any((epath.Path(checkpoint) / phase).is_dir() for phase in PHASES)

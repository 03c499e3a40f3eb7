"""The folder of a phase's checkpoints: its errors name it, and its metadata say whose checkpoints these are."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import orbax.checkpoint.experimental.v1 as ocp
from etils import epath

from mmae_jax import config
from mmae_jax.contract import differences, in_use, refused
from mmae_jax.formats import VERSION_KEY, format_version, unsealed
from mmae_jax.spec import PHASES, Experiment, SpecError
from mmae_jax.spec.error import first_line
from mmae_jax.weights.checksums import checksums
from mmae_jax.weights.result import RESULT_FILE

# What may change between an interrupted run and its continuation: it moves or watches the computation, not more.
FREE_FIELDS = (
    *("data.dir", "data.workers", "data.prefetch", "data.allow"),
    *("model.remat", "model.attention", "mesh", "logging", "phases", "profile", "compilation_cache"),
)
FORMAT_VERSION = 1
"""Of checkpoints. Version 1 calls the state of the optimiser `opt_state`; before, it was `moments`."""


class CheckpointError(SpecError):
    """A checkpoint cannot be written, read or used; the message names its folder."""


def check_same_experiment(directory: epath.PathLike, experiment: Experiment, phase: str, *, trains: bool) -> None:
    """Stops where checkpoints belong to another experiment, except in contract fields in `data.allow`.

    Args:
      directory: checkpoints of `phase`.
      experiment: what will use them.
      phase: theirs.
      trains: whether `experiment` trains this phase, so that the phase's own settings count, too.

    Raises:
      CheckpointError: the message names the fields and both values.
    """
    found = open_experiment(directory)
    free = [*FREE_FIELDS, *(f"{name}." for name in PHASES if name != phase or not trains)]
    if experiment.phase(phase).epochs > found.phase(phase).epochs:  # training goes on for longer
        free.append(f"{phase}.epochs")
    lines = [
        line
        for line in differences(_compared(experiment, experiment), _compared(found, experiment))
        if not line.startswith(tuple(free))
    ]
    lines = refused(lines, experiment.data.allow, directory, prefix="dataset.")
    if lines:
        raise CheckpointError(
            f"{directory}: holds checkpoints of another experiment, choose another workdir\n  " + "\n  ".join(lines)
        )


def _compared(experiment: Experiment, user: Experiment) -> dict[str, Any]:
    """Returns the fields of an experiment with what of its contract `user` depends on."""
    plain: dict[str, Any] = config.to_plain(dataclasses.replace(experiment, dataset=in_use(experiment.dataset, user)))
    return plain


def description(directory: epath.PathLike) -> dict[str, Any]:
    """Returns what is said of the checkpoints in `directory` (of a phase): `experiment`, `phase`, `versions`.

    Raises:
      CheckpointError: there are none, or what describes them is damaged.
    """
    directory = absolute(directory)
    if not steps(directory):
        raise CheckpointError(f"{directory}: no checkpoints there")
    with reading(directory), ocp.training.Checkpointer(directory) as checkpointer:
        stored: Any = checkpointer.root_metadata().custom_metadata
    if not stored or "experiment" not in stored:
        raise CheckpointError(f"{directory}: no checkpoints of mmae_jax there")
    return checked(stored, directory)


def open_experiment(directory: epath.PathLike) -> Experiment:
    """Returns the experiment whose checkpoints are in `directory` (of a phase).

    Raises:
      CheckpointError: there are none, what describes them is damaged, or another version of mmae_jax wrote them.
    """
    directory, stored = absolute(directory), description(directory)
    try:
        return config.experiment_from_config(stored["experiment"])
    except SpecError as error:
        version = stored.get("versions", {}).get("mmae_jax", "unknown")
        raise CheckpointError(
            f"{directory}: written by another version of mmae_jax ({version}), "
            f"continue with that one or choose another workdir: {error}"
        ) from error


def checked(metadata: Mapping[str, Any] | None, where: object) -> dict[str, Any]:
    """Returns what is said of a checkpoint or of a folder of them, with the version of its format: 0 before there were.

    Raises:
      CheckpointError: it is newer than this program, or was changed since it was written.
    """
    version = format_version(metadata or {}, FORMAT_VERSION, where, CheckpointError)
    return unsealed(metadata or {}, where, CheckpointError) | {VERSION_KEY: version}


def check_leaves(leaves: Mapping[str, jax.Array], metadata: Mapping[str, Any], path: epath.Path) -> None:
    """Stops where arrays of the checkpoint `path` are not what was saved; those of older versions carry no checksums.

    Raises:
      CheckpointError: it names a damaged array, and the checkpoint before.
    """
    expected: Mapping[str, str] | None = metadata.get("checksums")
    if expected is None:
        return
    found = checksums(leaves)
    damaged = [name for name in found if found[name] != expected.get(name)]
    if damaged:
        name, more = damaged[0], f" and {len(damaged) - 1} more" if len(damaged) > 1 else ""
        raise CheckpointError(
            f"{path}: {name}{more} damaged: expected checksum {expected.get(name)}, found {found[name]}; "
            f"{_way_out(path)}"
        )


def absolute(path: epath.PathLike) -> epath.Path:
    """Returns the absolute path: Orbax writes to no relative one."""
    path = epath.Path(path)
    return path if path.is_absolute() else epath.Path(os.getcwd()) / path


def steps(directory: epath.Path) -> list[int]:
    """Returns the steps of the complete checkpoints in `directory`, none where there is no such folder."""
    return [int(path.name) for path in directory.iterdir() if path.name.isdigit()] if directory.is_dir() else []


def reading(path: epath.Path) -> contextlib.AbstractContextManager[None]:
    """Turns what is raised while `path` is read into a `CheckpointError` that names it."""
    return naming(path, f"cannot be read, it is damaged or incomplete; {_way_out(path)}")


def _way_out(path: epath.Path) -> str:
    """Returns what to do about a damaged checkpoint, or about a damaged folder of them."""
    result = path.parent.parent / RESULT_FILE  # of a phase that will not be trained again while it is there
    what = f"it and {result}" if result.exists() else "it"
    if not path.name.isdigit():
        return f"delete {what} to begin anew"
    earlier = [step for step in steps(path.parent) if step < int(path.name)]
    if not earlier:
        return f"delete {what} to begin anew: there is no checkpoint before it"
    return f"delete {what} to go on from what is before it, step {max(earlier)}"


@contextlib.contextmanager
def naming(path: epath.Path, problem: str) -> Iterator[None]:
    """Turns what is raised into a `CheckpointError` that names `path` and `problem`.

    Orbax and TensorStore raise exceptions of any class, often without the folder, with where in their source after the
    reason.
    """
    try:
        yield
    except SpecError:
        raise
    except Exception as error:
        text = first_line(error).partition(" [tensorstore_spec")[0].partition(" [source loc")[0]
        text = text if len(text) < 600 else f"{text[:300]} … {text[-300:]}"
        raise CheckpointError(f"{path}: {problem} ({type(error).__name__}: {text})") from error

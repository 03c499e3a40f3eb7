"""Takes over weights of the reference: `python -m mmae_jax import FILE --out=weights.safetensors`.

FILE is a Lightning checkpoint, a PyTorch file or `.safetensors`; nothing in it is executed. Without `--config`, the
architecture is read from names and shapes and the config of the dataset whose sensors fit is changed to it; it is
printed, to be saved. `--out` writes the weights with that experiment: a start for training (`init_from`) that opens
everywhere a run does.
"""

# ruff: noqa: N999 (the name of the command)

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping

import numpy as np
from absl import logging
from etils import epath

from mmae_jax.command_line.config_file import load_experiment
from mmae_jax.command_line.messages import show_messages
from mmae_jax.command_line.parser import add_config
from mmae_jax.exit_codes import UsageError
from mmae_jax.spec import Experiment, SpecError
from mmae_jax.spec.error import choices
from mmae_jax.weights import torch_names
from mmae_jax.weights.export import FILE_SUFFIXES, write
from mmae_jax.weights.fitted_config import fitting_config
from mmae_jax.weights.inferred import inferred
from mmae_jax.weights.tensor_file import SUFFIXES, WeightsError, check_numbers, read_tensors
from mmae_jax.weights.transfer import adapted
from mmae_jax.weights.transfer.load_report import DRAWN, module_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument("file", metavar="FILE", help=f"weights: {', '.join(SUFFIXES)}")
    add_config(parser, help="what the weights were trained in; inferred by default, and printed")
    parser.add_argument("--averaged", action="store_true", help="take the moving average in a checkpoint (ema_model.)")
    parser.add_argument("--out", help="file to write, .safetensors or .pt")


def run(options: argparse.Namespace) -> None:
    """Prints the config of the weights, or writes them with their experiment, or both.

    Raises:
      SpecError: the file cannot be read, fits no dataset, or does not fit the config.
      UsageError: fields are overridden, and no config is given.
    """
    show_messages()
    file = epath.Path(options.file)
    if file.suffix not in SUFFIXES:
        raise WeightsError(f"FILE: expected weights that end in {', '.join(SUFFIXES)}, found {file}")
    if not file.exists():
        raise WeightsError(f"FILE: {file} not found")
    if options.out is not None and epath.Path(options.out).suffix not in FILE_SUFFIXES:
        raise SpecError(f"--out: expected a file that ends in {' or '.join(FILE_SUFFIXES)}, found {options.out}")
    if options.overrides and options.config is None:
        raise UsageError(f"{options.overrides[0]}: overrides a config; expected --config=FILE, too")
    tensors, trained = read_tensors(file, options.averaged)
    check_numbers(tensors, file)
    if trained is not None:
        if options.config is not None or options.out is None:
            raise SpecError(f"{file}: says what it was trained in; start from it as it is: --config.init_from={file}")
        write(tensors, trained, options.out)
        logging.info("wrote %s as it is: %s says what it was trained in", options.out, file)
        return
    found = inferred(tensors, file)
    if options.config is None:
        fitted = fitting_config(found, file)
        print(fitted.text(file), end="")
        experiment = fitted.experiment
    else:
        experiment = load_experiment(options.config, options.overrides)
    if left := [f"{name} of {one.bands} bands" for name, one in found.inputs.items() if name not in experiment.inputs]:
        logging.warning("%s: left out, as the config has no such inputs: %s", file, choices(left))
    if options.out is not None:
        taken, experiment = taken_over(tensors, experiment, file)
        write(taken, experiment, options.out)
        logging.info("wrote %s; train from it: --config.init_from=%s", options.out, options.out)


def taken_over(
    tensors: Mapping[str, np.ndarray], experiment: Experiment, file: epath.Path
) -> tuple[dict[str, np.ndarray], Experiment]:
    """Returns the weights of a model, and its experiment without the targets whose heads are not there; logs a report.

    Raises:
      SpecError: a part of the model is not there, be it that the config has it drawn.
    """
    if not any(name.startswith("decoder.") for name in tensors):
        raise SpecError(f"{file}: holds no decoder; start finetuning from it as it is: --config.init_from={file}")
    taken, report = adapted(tensors, None, experiment, file)
    new = {module_of(row.parameter): row.how for row in report.rows if row.action == DRAWN}
    if other := [module for module in new if not module.startswith("heads.")]:
        raise SpecError(f"{file}: {other[0]} is new ({new[other[0]]}); expected it to be there, nothing is drawn here")
    for module, how in new.items():
        logging.warning("%s: %s is left out, with its target: %s", file, module, how)
    targets = tuple(name for name in experiment.targets if f"heads.{name}" not in new)
    phases = experiment.phases if targets else ("pretrain",)
    experiment = dataclasses.replace(experiment, targets=targets, phases=phases, init_from=None)
    kept = tuple(row for row in report.rows if row.action != DRAWN)
    logging.info("%s", report._replace(rows=kept).summary())
    return {weight.name: taken[weight.name] for weight in torch_names.weights(experiment)}, experiment

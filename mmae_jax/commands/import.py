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
import importlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from absl import logging
from etils import epath

from mmae_jax.commands.config_file import load_experiment
from mmae_jax.commands.messages import show_messages
from mmae_jax.commands.parser import add_config
from mmae_jax.config import experiment_from_config, to_plain
from mmae_jax.exit_codes import UsageError
from mmae_jax.spec import Experiment, SpecError
from mmae_jax.spec.error import choices
from mmae_jax.weights import torch_names
from mmae_jax.weights.export import FILE_SUFFIXES, write
from mmae_jax.weights.inferred import Inferred, inferred
from mmae_jax.weights.tensor_file import SUFFIXES, WeightsError, check_numbers, read_tensors
from mmae_jax.weights.transfer import adapted
from mmae_jax.weights.transfer.load_report import DRAWN, module_of

DATASETS = ("treesatai_ts", "pastis_hd", "flair_hub", "flair2", "s2_naip_urban", "pureforest")


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
        text = config_text(found, file)
        print(text, end="")
        variables: dict[str, Any] = {}
        exec(text, variables)
        experiment = experiment_from_config(variables["get_config"]())
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
    report = adapted(tensors, None, experiment, file).report
    new = {module_of(row.parameter): row.how for row in report.rows if row.action == DRAWN}
    if other := [module for module in new if not module.startswith("heads.")]:
        raise SpecError(f"{file}: {other[0]} is new ({new[other[0]]}); expected it to be there, nothing is drawn here")
    for module, how in new.items():
        logging.warning("%s: %s is left out, with its target: %s", file, module, how)
    targets = tuple(name for name in experiment.targets if f"heads.{name}" not in new)
    phases = experiment.phases if targets else ("pretrain",)
    experiment = dataclasses.replace(experiment, targets=targets, phases=phases, init_from=None)
    taken, report = adapted(tensors, None, experiment, file)
    logging.info("%s", report.summary())
    return {weight.name: taken[weight.name] for weight in torch_names.weights(experiment)}, experiment


def config_text(found: Inferred, file: epath.Path) -> str:
    """Returns a config file for weights: that of the dataset whose inputs fit best, with what differs.

    Raises:
      SpecError: no dataset has an input like theirs.
    """
    configs = {name: importlib.import_module(f"configs.{name}").get_config() for name in DATASETS}
    experiments = {name: experiment_from_config(config) for name, config in configs.items()}
    fitting = {name: fits(found, experiment) for name, experiment in experiments.items()}
    best = max(DATASETS, key=lambda name: (len(fitting[name]), -len(experiments[name].inputs)))
    if not fitting[best]:
        wanted = ", ".join(f"{name} of {one.bands} bands" for name, one in found.inputs.items())
        raise SpecError(f"{file}: no dataset has inputs like {wanted}; say which experiment it is: --config=FILE")
    name = re.sub(r"[^\w.-]", "_", file.name)  # whoever named the file does not write this program
    lines = [f'"""What the weights in {name} were trained in, as far as their names and shapes say."""', ""]
    lines += [f"from configs import {best}", "", "", "def get_config():", f"    config = {best}.get_config()"]
    lines += [f"    {line}" for line in changes(found, fitting[best], experiments[best])]
    return "\n".join([*lines, "    return config", ""])


def fits(found: Inferred, experiment: Experiment) -> list[str]:
    """Returns the inputs of an experiment that weights have, with as many bands."""
    inputs = experiment.inputs
    return [name for name in inputs if name in found.inputs and found.inputs[name].bands == inputs[name].group_lengths]


def changes(found: Inferred, names: list[str], experiment: Experiment) -> Iterator[str]:
    """Yields the statements that make the config of an experiment that of weights, which have its inputs `names`."""
    yield f"config.model.architecture = {found.architecture_name or to_plain(found.architecture)!r}"
    yield f"config.model.inter_depth = {found.inter_depth}"
    if found.encoders == ("shared",):
        yield "config.model.fusion = 'shared'"
    if found.head is not None:
        yield f"config.model.head = {found.head!r}"
    for name in experiment.inputs:
        if name not in names:
            yield f"del config.inputs.{name}"
    for name in names:
        one, model_input = found.inputs[name], experiment.inputs[name]
        if one.patch_size != model_input.patch_size:
            yield f"config.inputs.{name}.patch_size = {one.patch_size}"
        if one.embed != (model_input.name_embed or name):
            yield f"config.inputs.{name}.name_embed = {one.embed!r}"
        if (group := _encoder_of(name, one.embed, model_input.name_group, found.encoders)) != model_input.name_group:
            yield f"config.inputs.{name}.name_group = {group!r}"
    targets = tuple(name for name in experiment.dataset.targets if name in found.targets)
    yield f"config.targets = {targets!r}"
    if not targets:
        yield "config.phases = ('pretrain',)"


def _encoder_of(name: str, embed: str, group: str | None, encoders: tuple[str, ...]) -> str | None:
    """Returns the group by whose encoder an input is encoded; None where it is its own."""
    if name in encoders:
        return None
    return next((one for one in (group, embed) if one in encoders), group)

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
from collections.abc import Iterator
from typing import Any

from absl import logging
from etils import epath

from mmae_jax.commands.config_file import load_experiment
from mmae_jax.commands.messages import show_messages
from mmae_jax.commands.parser import add_config
from mmae_jax.config import experiment_from_config, to_plain
from mmae_jax.spec import Experiment, SpecError
from mmae_jax.weights import torch_names
from mmae_jax.weights.export import write
from mmae_jax.weights.inferred import Inferred, inferred
from mmae_jax.weights.tensor_file import SUFFIXES, WeightsError, check_numbers, read_tensors
from mmae_jax.weights.transfer import adapted

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
    """
    show_messages()
    file = epath.Path(options.file)
    if file.suffix not in SUFFIXES:
        raise WeightsError(f"FILE: expected weights that end in {', '.join(SUFFIXES)}, found {file}")
    if not file.exists():
        raise WeightsError(f"FILE: {file} not found")
    tensors, _ = read_tensors(file, options.averaged)
    check_numbers(tensors, file)
    found = inferred(tensors, file)
    if options.config is None:
        text = config_text(found, file)
        print(text, end="")
        variables: dict[str, Any] = {}
        exec(text, variables)
        experiment = experiment_from_config(variables["get_config"]())
    else:
        experiment = load_experiment(options.config, options.overrides)
    if options.out is None:
        return
    targets = tuple(name for name in experiment.targets if name in found.targets)
    phases = experiment.phases if targets else ("pretrain",)
    experiment = dataclasses.replace(experiment, targets=targets, phases=phases, init_from=None)
    if not any(name.startswith("decoder.") for name in tensors):
        raise SpecError(f"{file}: holds no decoder; start finetuning from it as it is: --config.init_from={file}")
    taken, report = adapted(tensors, None, experiment, file)
    logging.info("%s", report.summary())
    write({weight.name: taken[weight.name] for weight in torch_names.weights(experiment)}, experiment, options.out)
    logging.info("wrote %s; train from it: --config.init_from=%s", options.out, options.out)


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
    lines = [f'"""What the weights in {file.name} were trained in, as far as their names and shapes say."""', ""]
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

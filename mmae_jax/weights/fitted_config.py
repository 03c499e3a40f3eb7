"""The config of weights of the reference: that of the dataset whose sensors fit, changed to what weights say."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from etils import epath
from ml_collections import ConfigDict

from mmae_jax.config import experiment_from_config, to_plain
from mmae_jax.spec import Experiment, SpecError
from mmae_jax.weights.inferred import Inferred

LEFT_OUT = object()
"""Stands for no value of a field."""
DATASETS = ("treesatai_ts", "pastis_hd", "flair_hub", "flair2", "s2_naip_urban", "pureforest")


class Change(NamedTuple):
    """A field of a config, by its dotted name, and its value; `LEFT_OUT` where it is removed."""

    field: str
    value: Any

    def apply(self, config: ConfigDict) -> None:
        """Changes a config."""
        *above, last = self.field.split(".")
        for part in above:
            config = config[part]
        if self.value is LEFT_OUT:
            del config[last]
            return
        with config.ignore_type():  # an architecture is a name or its fields
            config[last] = self.value

    @property
    def statement(self) -> str:
        """What stands for it in a config file."""
        if self.value is LEFT_OUT:
            return f"del config.{self.field}"
        changed = f"config.{self.field} = {self.value!r}"
        return f"with config.ignore_type():\n        {changed}" if isinstance(self.value, dict) else changed


class Fitted(NamedTuple):
    """The config of a dataset, changed to what weights say.

    Attributes:
      dataset: name of the dataset.
      changes: what differs from its config.
      experiment: the changed one.
    """

    dataset: str
    changes: tuple[Change, ...]
    experiment: Experiment

    def text(self, file: epath.Path) -> str:
        """Returns it as a config file for the weights in `file`."""
        name = re.sub(r"[^\w.-]", "_", file.name)  # whoever named the file does not write this program
        lines = [f'"""What the weights in {name} were trained in, as far as their names and shapes say."""', ""]
        lines += [f"from configs import {self.dataset}", "", ""]
        lines += ["def get_config():", f"    config = {self.dataset}.get_config()"]
        lines += [f"    {change.statement}" for change in self.changes]
        return "\n".join([*lines, "    return config", ""])


def fitting_config(found: Inferred, file: epath.Path) -> Fitted:
    """Returns the config of the dataset whose inputs fit weights best, with what differs.

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
    changed = tuple(changes(found, fitting[best], experiments[best]))
    for change in changed:
        change.apply(configs[best])
    return Fitted(best, changed, experiment_from_config(configs[best]))


def fits(found: Inferred, experiment: Experiment) -> list[str]:
    """Returns the inputs of an experiment that weights have, with as many bands."""
    inputs = experiment.inputs
    return [name for name in inputs if name in found.inputs and found.inputs[name].bands == inputs[name].group_lengths]


def changes(found: Inferred, names: list[str], experiment: Experiment) -> Iterator[Change]:
    """Yields what makes the config of an experiment that of weights, which have its inputs `names`."""
    yield Change("model.architecture", found.architecture_name or to_plain(found.architecture))
    yield Change("model.inter_depth", found.inter_depth)
    if found.encoders == ("shared",):
        yield Change("model.fusion", "shared")
    if found.head is not None:
        yield Change("model.head", found.head)
    for name in experiment.inputs:
        if name not in names:
            yield Change(f"inputs.{name}", LEFT_OUT)
    for name in names:
        one, model_input = found.inputs[name], experiment.inputs[name]
        if one.patch_size != model_input.patch_size:
            yield Change(f"inputs.{name}.patch_size", one.patch_size)
        if one.embed != (model_input.name_embed or name):
            yield Change(f"inputs.{name}.name_embed", one.embed)
        if (group := _encoder_of(name, one.embed, model_input.name_group, found.encoders)) != model_input.name_group:
            yield Change(f"inputs.{name}.name_group", group)
    targets = tuple(name for name in experiment.dataset.targets if name in found.targets)
    yield Change("targets", targets)
    if not targets:
        yield Change("phases", ("pretrain",))


def _encoder_of(name: str, embed: str, group: str | None, encoders: tuple[str, ...]) -> str | None:
    """Returns the group by whose encoder an input is encoded; None where it is its own."""
    if name in encoders:
        return None
    return next((one for one in (group, embed) if one in encoders), group)

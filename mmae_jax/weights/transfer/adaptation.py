"""Weights of one experiment for the model of another: by name, adapted, or said to be new (docs/weights.md).

Everything is matched in PyTorch names, which files of the reference have and runs are given. Nothing is random unless
it is a head, is not used by the phases of the experiment, or the experiment says so (`transfer`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from mmae_jax.exit_codes import meant
from mmae_jax.models.fusion import Fusion
from mmae_jax.models.mmae import MMAE, embeddings
from mmae_jax.spec import BY_NAME, NEW, Experiment, Input, SpecError
from mmae_jax.spec.error import choices, shown
from mmae_jax.weights.torch_names import LISTED, Weight, weights
from mmae_jax.weights.transfer.band_groups import Grouping
from mmae_jax.weights.transfer.load_report import ADAPTED, DRAWN, LOADED, UNUSED, LoadReport, Row, module_of

Tensors = Mapping[str, np.ndarray]
BY_ENCODER = ("encoder", "decoder", "enc_to_dec")
BY_EMBEDDING = ("patch_embed", "embed_to_rec")


class Adapted(NamedTuple):
    """Weights for a model.

    Attributes:
      tensors: PyTorch name → array of what is not new.
      report: what became of every tensor.
    """

    tensors: dict[str, np.ndarray]
    report: LoadReport


def adapted(tensors: Tensors, trained: Experiment | None, experiment: Experiment, where: object) -> Adapted:
    """Returns what weights are for the model of `experiment`.

    Args:
      tensors: PyTorch name → array.
      trained: the experiment they were trained in; None where that is not known: bands and groups are those of
        `experiment`, then.
      experiment: whose model they are to start.
      where: the folder or file they are read from.

    Raises:
      SpecError: a part of the model has no source; the message lists which, and how to say what is to become of it.
    """
    return _Adaptation(tensors, trained, experiment).result(where)


def same_model(trained: Experiment, experiment: Experiment) -> bool:
    """Returns whether weights of one experiment are those of the other as they are: same names, shapes and bands."""
    if trained.model.encoder != experiment.model.encoder or experiment.transfer != BY_NAME:
        return False
    bands = [{name: one.bands for name, one in each.inputs.items()} for each in (trained, experiment)]
    return bands[0] == bands[1] and weights(trained) == weights(experiment)


def all_loaded(experiment: Experiment, where: object) -> LoadReport:
    """Returns the report of weights that are taken as they are."""
    rows = [Row(one.name, LOADED, one.name, one.shape, one.shape) for one in weights(experiment)]
    return LoadReport(str(where), tuple(rows))


class _Adaptation:
    """The state of one adaptation."""

    def __init__(self, tensors: Tensors, trained: Experiment | None, experiment: Experiment) -> None:
        self.source, self.trained, self.experiment, self.transfer = tensors, trained, experiment, experiment.transfer
        self.modules = {module_of(name) for name in tensors}
        self.families = {name.partition(".")[0] for name in tensors}
        self.tensors: dict[str, np.ndarray] = {}
        self.rows: list[Row] = []
        self.missing: dict[str, str] = {}
        """Part of the model without a source → how to say what becomes of it."""
        self.absent: dict[str, None] = {}
        """Families of which nothing is there, in order."""

    def result(self, where: object) -> Adapted:
        table: dict[str, list[Weight]] = {}
        for weight in weights(self.experiment):
            table.setdefault(module_of(weight.name), []).append(weight)
        self._check_modules(table, where)
        for module, members in table.items():
            self._module(module, members)
        if self.trained is None and "encoder_inter" in self.modules and "encoder_inter" not in table:
            self._miss("encoder_inter", "expected none with model.inter_depth = 0, found one")
        if self.missing or self.absent:
            lines = [f"{part}: {advice}" for part, advice in self.missing.items()]
            if self.absent:
                new = ", ".join(f"'{family}': '{NEW}'" for family in self.absent)
                lines.insert(0, f'{", ".join(self.absent)}: --config.transfer.modules="{{{new}}}"')
            more = [f"… and {len(lines) - LISTED} more"] if len(lines) > LISTED else []
            problem = f"{where}: has no weights for parts of this model; say what starts from what ({NEW}: drawn)"
            shown_by = "the model that names and shapes tell is printed by `python -m mmae_jax import FILE`"
            out = [] if self.trained is not None else [shown_by]
            raise SpecError("\n  ".join([problem, *lines[:LISTED], *more, *out]))
        used = {row.source for row in self.rows}
        unused = [Row("", UNUSED, name, array.shape, None) for name, array in self.source.items() if name not in used]
        return Adapted(self.tensors, LoadReport(str(where), (*self.rows, *unused)))

    def _check_modules(self, known: Collection[str], where: object) -> None:
        """Stops where there is nothing of such a model, or `transfer.modules` names what is neither here nor there."""
        families = list(dict.fromkeys(module.partition(".")[0] for module in known))
        if not self.families & set(families):
            raise SpecError(f"{where}: expected tensors of {choices(families)}, found {choices(sorted(self.source))}")
        for module, source in self.transfer.modules.items():
            if module not in known and module not in families:
                names = [*families, *known]
                raise SpecError(
                    f"transfer.modules: no module {shown(module)} in this model; "
                    f"expected some of {choices(names)}{meant(module, names)}"
                )
            family = module.partition(".")[0]
            there = sorted(one for one in self.modules if one.partition(".")[0] == family)
            if source != NEW and source not in there:
                raise SpecError(
                    f"transfer.modules.{module}: expected {NEW} or a module in {where}, {choices(there)}; "
                    f"found {shown(source)}"
                )

    def _module(self, module: str, members: Sequence[Weight]) -> None:
        """Takes over one module, or notes that it is new or missing."""
        family, _, name = module.partition(".")
        stated = self.transfer.modules.get(module, self.transfer.modules.get(family))
        if stated == NEW:
            return self._new(members, "as transfer.modules says")
        if family in MMAE.pretraining_only and family not in self.families and "pretrain" not in self.experiment.phases:
            return self._new(members, f"not there, and not used in {', '.join(self.experiment.phases)}")
        if family in BY_EMBEDDING:
            return self._embedding(module, stated or self._embedding_source(family, name), members)
        if family == "mask_token":
            return self._mask_token(name, stated, members)
        if family == "heads" and stated is None:
            return self._head(module, members)
        source = stated or (self._encoder_source(family, name) if family in BY_ENCODER else module)
        if source == NEW:
            return self._new(members, "as transfer.inputs says")
        if source is None:
            return None
        if family not in self.families:
            self.absent[family] = None
        elif source not in self.modules:
            there = choices(sorted(one for one in self.modules if one.startswith(f"{family}.")))
            self._miss(module, f"--config.transfer.modules=\"{{'{module}': '{NEW}'}}\", or one of {there}")
        else:
            self._plain(source, members)
        return None

    def _plain(self, source: str, members: Sequence[Weight]) -> None:
        """Takes a module as it is."""
        self._check_whole(source, members)
        for weight in members:
            name = source + weight.name.removeprefix(module_of(weight.name))
            array = self.source.get(name)
            if array is None or array.shape != weight.shape:
                found = "nothing" if array is None else array.shape
                self._miss(name, f"expected shape {weight.shape}, found {found}")
            else:
                self._take(weight, array, name)

    def _check_whole(self, source: str, members: Sequence[Weight]) -> None:
        """Notes where a module of unknown origin has more than the one here: the first layers of a deeper one, say."""
        if self.trained is None:
            expected = {source + weight.name.removeprefix(module_of(weight.name)) for weight in members}
            more = [name for name in self.source if module_of(name) == source and name not in expected]
            if more:
                self._miss(source, f"has {len(more)} tensors that {module_of(members[0].name)} has not: {more[0]}, …")

    def _head(self, source: str, members: Sequence[Weight]) -> None:
        """Takes a head where it is the same one, else it is new: its weights are of no use to another."""
        there = {name: array.shape for name, array in self.source.items() if module_of(name) == source}
        expected = {source + weight.name.removeprefix(module_of(weight.name)): weight.shape for weight in members}
        if not there:
            self._new(members, f"no {source} there")
        elif there != expected:
            self._new(members, f"{source} is another head: other shapes")
        else:
            self._plain(source, members)

    def _embedding(self, module: str, source: str, members: Sequence[Weight]) -> None:
        """Takes patch embedding or pixel projection: bands and groups by name, patches resized."""
        name = module.partition(".")[2]
        user = self._users(name)[0]
        if source == NEW:
            return self._new(members, "as transfer.inputs says")
        if source not in self.modules:
            self._miss_input(user, module)
            return None
        self._check_whole(source, members)
        grouping = self._grouping(user, embeddings(self.experiment)[name], source.partition(".")[2])
        for band, groups in grouping.unknown.items():
            self._miss(f"band {band} of {user}", f"--config.transfer.bands.{user}.{band}={NEW}, or one of {groups}")
        if grouping.unknown:
            return None
        for weight in members:
            try:
                array, found, how = grouping.tensor(weight, source, self.source)
            except KeyError as error:
                self._miss(weight.name, f"expected {error.args[0]}")
            else:
                self._take(weight, array, found, how)
        return None

    def _mask_token(self, name: str, stated: str | None, members: Sequence[Weight]) -> None:
        donor = self._donor(name) if stated is None else stated.partition(".")[2]
        if donor == NEW:
            return self._new(members, "as transfer.inputs says")
        source = next((one for one in (donor, name) if f"mask_token.{one}" in self.source), None)
        if source is None:
            self._miss_input(name, "mask_token")
            return None
        grouping = self._grouping(name, self.experiment.inputs[name], source)
        (weight,), array = members, self.source[f"mask_token.{source}"]
        if array.ndim != 5 or not grouping.groups_fit(array.shape[1]):
            self._miss(weight.name, f"expected shape {weight.shape}, found {array.shape}")
        else:
            same = grouping.nearest_groups == list(range(array.shape[1]))
            groups, how = (array, "") if same else (array[:, grouping.nearest_groups], grouping.groups_told)
            self._take(weight, groups, f"mask_token.{source}", how)
        return None

    def _grouping(self, user: str, model_input: Input, source: str) -> Grouping:
        """Returns how the bands of an input are found in an input, or embedding, of the source."""
        there = model_input
        if self.trained is not None:
            known = self.trained.inputs | embeddings(self.trained)
            there = known.get(source, model_input)
        sharing = self._users(model_input.name_embed or user)
        stated = {band: one for name in reversed(sharing) for band, one in self.transfer.bands.get(name, {}).items()}
        return Grouping.of(user, model_input, there, stated, self.experiment.seed)

    def _users(self, embedding: str) -> list[str]:
        """Returns the inputs that share an embedding."""
        return [name for name, one in self.experiment.inputs.items() if (one.name_embed or name) == embedding]

    def _donor(self, name: str) -> str:
        return self.transfer.inputs.get(name, name)

    def _embedding_source(self, family: str, embedding: str) -> str:
        users = self._users(embedding)
        said = [self.transfer.inputs[user] for user in users if user in self.transfer.inputs]
        if NEW in said:
            return NEW
        names = said or [embedding, *users]
        if self.trained is None:
            names += [group for user in users if (group := self.experiment.inputs[user].name_group) is not None]
        else:
            known = self.trained.inputs
            names += [known[name].name_embed or name for name in names if name in known]
        return next((f"{family}.{one}" for one in names if f"{family}.{one}" in self.modules), f"{family}.{names[0]}")

    def _encoder_source(self, family: str, key: str) -> str | None:
        """Returns the module that encodes there what `key` encodes here; None where its inputs are missing."""
        fusion = Fusion.of(self.experiment)
        here = [name for one, names in fusion.sequences.items() if fusion.weights[one] == key for name in names]
        donors = {name: self._donor(name) for name in here if self._donor(name) != NEW}
        if not donors:
            return NEW
        if self.trained is not None and not set(donors.values()) & set(self.trained.inputs):
            self._miss_input(next(iter(donors)), family)
            return None
        found = [one for one in dict.fromkeys(self._keys_of(donors, key)) if f"{family}.{one}" in self.modules]
        return f"{family}.{found[0] if len(found) == 1 else key}"

    def _keys_of(self, donors: Mapping[str, str], key: str) -> Iterator[str]:
        """Yields the names of the encoders that inputs of the source run through."""
        if self.trained is None:
            fusion = Fusion.of(self.experiment)
            groups = {name: fusion.weights[one] for one, names in fusion.sequences.items() for name in names}
            others = [donor for name, donor in donors.items() if donor != name]
            wanted = [*others, *(groups.get(donor, donor) for donor in others), key, *donors.values(), "shared"]
            yield from [one for one in wanted if f"encoder.{one}" in self.modules][:1]
            return
        fusion = Fusion.of(self.trained)
        for sequence, names in fusion.sequences.items():
            if set(names) & set(donors.values()):
                yield fusion.weights[sequence]

    def _take(self, weight: Weight, array: np.ndarray, source: str, how: str = "") -> None:
        self.tensors[weight.name] = array
        shape = self.source[source].shape
        self.rows.append(Row(weight.name, ADAPTED if how else LOADED, source, shape, weight.shape, how))

    def _new(self, members: Sequence[Weight], why: str) -> None:
        self.rows += [Row(weight.name, DRAWN, "", None, weight.shape, why) for weight in members]

    def _miss_input(self, name: str, module: str) -> None:
        family = module.partition(".")[0]
        if family not in self.families:
            self.absent[family] = None
            return
        there = sorted(one.partition(".")[2] for one in self.modules if one.startswith("patch_embed."))
        there = there if self.trained is None else list(self.trained.inputs)
        self._miss(f"input {name}", f"--config.transfer.inputs.{name}={NEW}, or one of {choices(there)}")

    def _miss(self, part: str, advice: str) -> None:
        self.missing.setdefault(part, advice)

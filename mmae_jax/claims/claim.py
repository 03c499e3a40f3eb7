"""What a claim is: a statement, the kinds of run that are compared for it, and where it is known to be true."""

from __future__ import annotations

import dataclasses
import runpy
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from immutabledict import immutabledict

from mmae_jax.command_line.config_file import naming_lines
from mmae_jax.config import from_plain, to_plain
from mmae_jax.exit_codes import UsageError, meant
from mmae_jax.spec import SpecError
from mmae_jax.spec.error import choices

FOLDER = Path(__file__).parents[2] / "configs" / "claims"
FUNCTION = "get_claim"
_NOTHING: immutabledict[str, object] = immutabledict()


@dataclasses.dataclass(frozen=True)
class Arm:
    """One kind of run.

    Attributes:
      fields: dotted name of a field → its value, where it differs from the experiment.
      after: the arm from whose weights this one starts; its own random weights if None.
    """

    fields: immutabledict[str, object]
    after: str | None = None


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two arms, of which one is said to be better.

    Attributes:
      says: what is claimed, as a sentence.
      better: name of an arm.
      worse: name of another.
      least: difference of scores that must be exceeded.
      margin: a difference that is above `least` by less does not count.
    """

    says: str
    better: str
    worse: str
    least: float = 0.0
    margin: float = 0.01


@dataclasses.dataclass(frozen=True)
class Landscape:
    """Made-up data on which the truth of a claim is set.

    Attributes:
      truth: options of `python -m data_prep synthetic trial_fields`.
      verdicts: name of a comparison → whether it holds there; the others are not asked.
      config: experiment, as `--config` has it.
      fields: dotted name of a field → its value.
    """

    truth: immutabledict[str, object]
    verdicts: immutabledict[str, bool]
    config: str
    fields: immutabledict[str, object] = _NOTHING


_NO_LANDSCAPES: immutabledict[str, Landscape] = immutabledict()


@dataclasses.dataclass(frozen=True)
class Claim:
    """A claim.

    Attributes:
      question: what is asked.
      published: what others found, and where.
      arms: name → kind of run.
      comparisons: name → which of them are compared.
      landscapes: name → made-up data, where the claim holds and where it does not; none if it is asked of own data.
    """

    question: str
    published: str
    arms: immutabledict[str, Arm]
    comparisons: immutabledict[str, Comparison]
    landscapes: immutabledict[str, Landscape] = _NO_LANDSCAPES

    def only(self, comparisons: Collection[str]) -> Claim:
        """Returns the claim with some of the comparisons, and the arms that they need."""
        kept = {name: one for name, one in self.comparisons.items() if name in comparisons}
        needed = {name for one in kept.values() for name in (one.better, one.worse)}
        needed |= {after for name in needed if (after := self.arms[name].after) is not None}
        arms = {name: arm for name, arm in self.arms.items() if name in needed}
        return dataclasses.replace(self, arms=immutabledict(arms), comparisons=immutabledict(kept))

    def ordered(self) -> list[str]:
        """Returns the names of the arms, each behind the one from whose weights it starts."""
        return sorted(self.arms, key=lambda name: self.arms[name].after is not None)


def names() -> list[str]:
    """Returns the names of the claims that come with the program."""
    return sorted(file.stem for file in FOLDER.glob("*.py") if not file.stem.startswith("_"))


def open_claim(name: str, inputs: Mapping[str, Any] | None = None) -> Claim:
    """Returns a claim.

    Args:
      name: one of `names`, or a Python file with a function `get_claim`.
      inputs: inputs of the experiment that is asked, as its config has them; None on landscapes.

    Raises:
      UsageError: there is none of this name, or its file cannot be run.
      SpecError: it contradicts itself, or cannot be asked of these inputs.
    """
    file = Path(name) if name.endswith(".py") else FOLDER / f"{name}.py"
    if not file.is_file():
        if name.endswith(".py"):
            raise UsageError(f"expected a Python file with {FUNCTION}, found none at {name!r}")
        known = choices(names())
        raise UsageError(f"expected all, one of {known} or a Python file, found {name!r}{meant(name, names())}")
    with naming_lines(str(file), "claim"):
        get_claim: Callable[[Mapping[str, Any] | None], Any] | None = runpy.run_path(str(file)).get(FUNCTION)
        if get_claim is None:
            raise UsageError(f"{file}: expected a function {FUNCTION}, found none")
        try:
            plain = to_plain(get_claim(inputs))
        except ValueError as error:  # said of the sensors by the claim
            raise SpecError(f"{name}: {error}") from error
    try:
        claim: Claim = from_plain(Claim, plain, "")
        _check(claim)
    except SpecError as error:
        raise SpecError(f"{file}: {error}") from error
    return claim


def _check(claim: Claim) -> None:
    for name, arm in claim.arms.items():
        before = None if arm.after is None else claim.arms.get(arm.after)
        if arm.after is not None and (before is None or before.after is not None):
            raise SpecError(f"arms.{name}.after: expected an arm that starts from random weights, found {arm.after!r}")
    for key, comparison in claim.comparisons.items():
        for field in ("better", "worse"):
            if (found := getattr(comparison, field)) not in claim.arms:
                raise SpecError(f"comparisons.{key}.{field}: expected one of {choices(claim.arms)}, found {found!r}")
    for name, landscape in claim.landscapes.items():
        for key in landscape.verdicts:
            if key not in claim.comparisons:
                expected = choices(claim.comparisons)
                raise SpecError(f"landscapes.{name}.verdicts: expected some of {expected}, found {key!r}")

"""Every number of the specification has a range, and what is out of it is refused by name."""

import dataclasses
import math
import typing

import pytest

from configs import treesatai_ts
from mmae_jax import spec
from mmae_jax.checks import check_experiment
from mmae_jax.config import experiment_from_config
from mmae_jax.ranges import RANGES
from mmae_jax.spec import SpecError

WITHOUT = {(spec.Modality, "nodata")}


def parts(kind):
    """All dataclasses that a dataclass is made of."""
    for hint in typing.get_type_hints(kind).values():
        for inner in (hint, *typing.get_args(hint)):
            if dataclasses.is_dataclass(inner):
                yield inner
                yield from parts(inner)


def is_number(hint):
    return hint in (int, float) or any(is_number(inner) for inner in typing.get_args(hint))


def test_every_number_has_a_range():
    for kind in {spec.Experiment, *parts(spec.Experiment)}:
        numbers = {name for name, hint in typing.get_type_hints(kind).items() if is_number(hint)}
        assert set(RANGES[kind]) == {name for name in numbers if (kind, name) not in WITHOUT}, kind


def places(part, path=()):
    """The path to each number of an experiment, and its range."""
    for field in dataclasses.fields(part):
        value = getattr(part, field.name)
        if dataclasses.is_dataclass(value):
            yield from places(value, (*path, field.name))
        elif isinstance(value, typing.Mapping):
            for key, item in value.items():
                yield from places(item, (*path, field.name, key))
        elif field.name in RANGES[type(part)]:
            is_tuple = "tuple" in str(typing.get_type_hints(type(part))[field.name])
            yield (*path, field.name), RANGES[type(part)][field.name], is_tuple


def changed(part, path, value):
    name, *rest = path
    if isinstance(part, typing.Mapping):
        return type(part)({**part, name: changed(part[name], rest, value)})
    return dataclasses.replace(part, **{name: changed(getattr(part, name), rest, value) if rest else value})


def outside(allowed):
    yield from (math.nan, math.inf, -math.inf)
    yield from (allowed.least - abs(allowed.least) - 1, 2 * allowed.most + 1, *allowed.without)


EXPERIMENT = experiment_from_config(treesatai_ts.get_config())
PLACES = list(places(EXPERIMENT))


@pytest.mark.parametrize(("path", "allowed", "is_tuple"), PLACES, ids=[".".join(path) for path, *_ in PLACES])
def test_a_number_out_of_its_range_is_refused_by_name(path, allowed, is_tuple):
    for number in outside(allowed):
        with pytest.raises(SpecError) as error:
            check_experiment(changed(EXPERIMENT, path, (number,) if is_tuple else number))
        assert str(error.value).startswith(f"{'.'.join(path)}: expected {allowed.text}, found ")

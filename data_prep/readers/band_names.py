"""What names of bands mean, in the spellings that are usual: B4, B04, red; VV, Sigma0_VV."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence

_RED_EDGE, _SWIR = ("rededge1", "rededge2", "rededge3"), ("swir1", "swir2")
_SENTINEL_2 = dict(
    zip(
        ("1", "2", "3", "4", "5", "6", "7", "8", "8a", "9", "10", "11", "12"),
        ("coastal", "blue", "green", "red", *_RED_EDGE, "nir", "nir", "water", "cirrus", *_SWIR),
        strict=True,
    )
)
_LANDSAT_8 = dict(
    zip(
        map(str, range(1, 12)),
        ("coastal", "blue", "green", "red", "nir", *_SWIR, "pan", "cirrus", "thermal", "thermal"),
        strict=True,
    )
)
_LANDSAT_5 = dict(zip(map(str, range(1, 8)), ("blue", "green", "red", "nir", "swir1", "thermal", "swir2"), strict=True))
_NUMBERINGS: tuple[Mapping[str, str], ...] = (_SENTINEL_2, _LANDSAT_8, _LANDSAT_5)

_WORDS = (
    (r"(?:vegetation )?red ?edge ?([123])|re([123])", lambda match: {f"rededge{match[1] or match[2]}"}),
    (r"(?:vegetation )?red ?edge", lambda _: set(_RED_EDGE)),
    (r"swir ?(?:16|1)", lambda _: {"swir1"}),
    (r"swir ?(?:22|2)", lambda _: {"swir2"}),
    (r"swir|short ?wave infra ?red", lambda _: set(_SWIR)),
    (
        r"(?:narrow )?(?:nir(?: ?0?8)?|(?:near )?infra ?red|ir|pir|(?:proche )?infra ?rouge)(?: narrow)?",
        lambda _: {"nir"},
    ),
    (r"coastal(?: aerosol)?|ultra blue", lambda _: {"coastal"}),
    (r"pan(?:chromatic)?", lambda _: {"pan"}),
    (r"thermal|tir|lwir", lambda _: {"thermal"}),
    (r"red|rouge", lambda _: {"red"}),
    (r"green|vert", lambda _: {"green"}),
    (r"blue|bleu", lambda _: {"blue"}),
)
FEW = 4
"""Bands, of red, green, blue and infrared: B1 to B4 count them. In longer lists, B1 may be that of a satellite."""
_LETTERS = {"r": "red", "g": "green", "b": "blue", "n": "nir"}


@dataclasses.dataclass(frozen=True)
class Meaning:
    """What a name may mean.

    Attributes:
      number: number of the band, such as `8a`; None where the name has none.
      kinds: colours or polarisations that it may stand for; none where it tells none.
    """

    number: str | None
    kinds: frozenset[str]


def meaning(name: str) -> Meaning:
    """Returns what the name of a band may mean."""
    text = " ".join(re.split(r"[^a-z0-9]+", name.lower())).strip()
    polarisations = re.findall(r"\b(vv|vh|hh|hv)(?:db|lin)?\b", text)
    if polarisations:
        return Meaning(None, frozenset(["-".join(polarisations)]))
    if text in _LETTERS:
        return Meaning(None, frozenset([_LETTERS[text]]))
    number = re.search(r"\b(?:s2|l[5789])?b(0?)0*(\d{1,2}a?)\b", text)
    kinds: set[str] = set()
    for pattern, found in _WORDS:
        if match := re.search(rf"\b(?:{pattern})\b", text):
            kinds = found(match)
            break
    if number is None:
        return Meaning(None, frozenset(kinds))
    numberings = _NUMBERINGS[:1] if number[1] else _NUMBERINGS  # only Sentinel-2 writes B04
    return Meaning(number[2], frozenset(kinds or {each[number[2]] for each in numberings if number[2] in each}))


def is_counted(names: Sequence[str | None]) -> bool:
    """Returns whether names are B1, B2 … to the last."""
    return [(name or "").lower() for name in names] == [f"b{number}" for number in range(1, len(names) + 1)]


def contradict(expected: Sequence[str], found: Sequence[str | None]) -> bool:
    """Returns whether a file calls its bands something else than the contract does.

    A name that is absent or tells nothing is no contradiction, nor is a mere numbering, of at most `FEW` bands where
    the contract's own have other numbers; names that are those of the contract in another order are.
    """
    plain, named = ([re.sub(r"[^a-z0-9]", "", (name or "").lower()) for name in names] for names in (expected, found))
    if plain != named and sorted(plain) == sorted(named):
        return True
    numbering = len(found) if is_counted(found) else 0
    return any(
        _differ(meaning(contract), meaning(file), numbering)
        for contract, file, same in zip(expected, found, map(str.__eq__, plain, named), strict=True)
        if file is not None and not same
    )


def _differ(expected: Meaning, found: Meaning, numbering: int) -> bool:
    if expected.number and found.number:
        return expected.number != found.number and not 0 < numbering <= FEW
    if numbering:
        return False
    return bool(expected.kinds and found.kinds) and not expected.kinds & found.kinds

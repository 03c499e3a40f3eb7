"""The sheet as a page: a table of pictures for each split."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from data_prep.preview.cards import Card, Sheet
from mmae_jax.report.display import shown_bands
from mmae_jax.report.document import Page
from mmae_jax.report.html import Html, joined, paragraph, picture, tag
from mmae_jax.report.maps import class_legend

Pictures = dict[str, dict[int, list[np.ndarray]]]


def write_page(sheet: Sheet, title: str, out: Path) -> None:
    """Writes the sheet as one file that needs nothing beside it."""
    page = Page(title, *_legends(sheet))
    images: Pictures = {name: sheet.images(name) for name in sheet.dataset.modalities}
    maps = {name: {index: [one] for index, one in sheet.maps(name).items()} for name in _rasters(sheet)}
    for split in dict.fromkeys(card.split for card in sheet.cards):
        cards = {index: card for index, card in enumerate(sheet.cards) if card.split == split}
        page.section(split, functools.partial(_table, sheet, cards, images, maps))
    page.write(out)


def _rasters(sheet: Sheet) -> list[str]:
    return [name for name in sheet.dataset.targets if all(name in card.rasters for card in sheet.cards)]


def _legends(sheet: Sheet) -> list[Html]:
    bands = "; ".join(f"{name}: {shown_bands(one.bands)}" for name, one in sheet.dataset.modalities.items())
    parts = [paragraph(tag("span", f"{bands}. Each sensor is stretched alike in all tiles.", class_="soft"))]
    for name in _rasters(sheet):
        target = sheet.dataset.targets[name]
        if target.classes:
            parts += [tag("h3", name), class_legend(target, sheet.classes(name))]
    return parts


def _table(sheet: Sheet, cards: dict[int, Card], images: Pictures, maps: Pictures) -> Html:
    wide = {name: sheet.columns(name) for name in images} | dict.fromkeys(maps, 1)
    head = tag("tr", tag("th", "tile"), *(tag("th", name, colspan=number) for name, number in wide.items()))
    rows = []
    for index, card in cards.items():
        cells = [tag("td", *_said(card), class_="told")]
        for name, number in wide.items():
            shown = (images | maps)[name].get(index, [])
            under = [one.said for one in card.series[name]] if name in card.series else [""]
            drawn = [picture(one, said, alt=f"{name} of {card.name}") for one, said in zip(shown, under, strict=True)]
            cells += [tag("td", one) for one in [*drawn, *["–"] * (number - len(drawn))]]
        rows.append(tag("tr", *cells))
    return tag("div", tag("table", tag("thead", head), tag("tbody", joined(rows)), class_="sheet"), class_="table")


def _said(card: Card) -> list[Html]:
    """Returns name, labels and periods of a tile, line by line."""
    labels = [tag("div", f"{name}: ", tag("b", label)) for name, label in card.labels.items()]
    periods = [tag("div", tag("small", f"{name}: {period}")) for name, period in card.period.items()]
    return [tag("div", tag("code", card.name)), *labels, *periods]

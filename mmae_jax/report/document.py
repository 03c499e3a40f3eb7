"""A page that needs nothing beside it, with a table of contents."""

from __future__ import annotations

import importlib.resources
from collections.abc import Callable

from etils import epath

from mmae_jax.formats import written_whole
from mmae_jax.report.html import Absent, Html, joined, tag, tag_open, text


class Page:
    """A page that grows; its table of contents grows with it."""

    def __init__(self, title: str, *below: object) -> None:
        """Begins with a title, and what stands below it."""
        self._title, self._parts, self._contents = title, [tag("h1", title), *below], list[Html]()

    def head(self, title: str, *below: object) -> None:
        """Begins a chapter with a title, and what stands below it."""
        name = f"part-{len(self._parts)}"
        self._contents.append(tag("li", tag("strong", tag("a", title, href=f"#{name}"))))
        self._parts.append(tag("h2", title, id=name, class_="run"))
        self._parts += [Html(text(part)) for part in below]

    def section(self, title: str, content: Callable[[], Html]) -> None:
        """Adds a section; one that has nothing to show is a line that says why."""
        name = f"part-{len(self._parts)}"
        try:
            body, absent = content(), False
        except Absent as why:
            body, absent = tag("p", f"Left out: {why}.", class_="note"), True
        self._contents.append(tag("li", tag("a", title, href=f"#{name}"), class_="absent" if absent else None))
        self._parts.append(tag("section", tag("h2", title, id=name), body))

    def html(self) -> str:
        """Returns the whole page."""
        style = importlib.resources.files("mmae_jax.report").joinpath("page.css").read_text(encoding="utf-8")
        head = [
            tag_open("meta", charset="utf-8"),
            tag_open("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag_open("link", rel="icon", href="data:,"),
            tag("title", self._title),
            Html(f"<style>{style}</style>"),
        ]
        contents = tag("nav", tag("ol", *self._contents), aria_label="contents")
        body = tag("body", contents, tag("main", joined(self._parts)))
        return f"<!doctype html>\n{tag('html', tag('head', *head), body, lang='en')}\n"

    def write(self, out: epath.PathLike) -> int:
        """Writes the page to a file, and returns its size in bytes."""
        written = self.html().encode()
        with written_whole(epath.Path(out)) as beside:
            beside.write_bytes(written)
        return len(written)

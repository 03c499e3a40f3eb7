"""Pieces of a page: escaped text, tables, pictures inside the page."""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Iterable, Sequence

import matplotlib
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.image import imsave

FONT = "system-ui, 'Helvetica Neue', Arial, sans-serif"
DRAWN_FONT = re.compile(r"'DejaVu Sans'[^;\"]*")
INCH = 90
"""Pixels of the page for an inch of a figure."""
CRISP = 96
"""Pixels of a picture's side below which it is enlarged without smoothing."""


class Html(str):
    """Markup; any other text is escaped where it is put into it."""

    __slots__ = ()


class Absent(Exception):  # noqa: N818 (no error)
    """A part of a report that has nothing to show; says why in a line."""


def text(value: object) -> str:
    """Returns a value as markup."""
    return value if isinstance(value, Html) else html.escape(str(value))


def tag(name: str, /, *content: object, **attributes: object) -> Html:
    """Returns an element; `class_` is its class, and attributes that are None are left out."""
    given = {key.rstrip("_"): value for key, value in attributes.items() if value is not None}
    words = "".join(f' {key.replace("_", "-")}="{html.escape(str(value))}"' for key, value in given.items())
    return Html(f"<{name}{words}>{''.join(map(text, content))}</{name}>")


def joined(parts: Iterable[object]) -> Html:
    """Returns parts one after the other."""
    return Html("\n".join(map(text, parts)))


def paragraph(*content: object) -> Html:
    """Returns a paragraph."""
    return tag("p", *content)


def table(head: Sequence[object], rows: Iterable[Sequence[object]], caption: str = "") -> Html:
    """Returns a table; cells that are numbers stand to the right."""
    lines = [tag("tr", *(tag("th", cell, scope="col") for cell in head))]
    body = [tag("tr", *(tag("td", _shown(cell), class_=_kind(cell)) for cell in row)) for row in rows]
    above = tag("p", caption, class_="caption") if caption else Html("")
    whole = tag("table", tag("thead", *lines), tag("tbody", *body))
    return tag("div", above, tag("div", whole, class_="table"))


def marked(said: str) -> Html:
    """Returns text in which what stands between backticks is code."""
    return Html(re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(said)))


def _shown(cell: object) -> object:
    if cell is None or (isinstance(cell, float) and np.isnan(cell)):
        return "–"
    return f"{cell:.4g}" if isinstance(cell, float) else f"{cell:,}" if isinstance(cell, int) else cell


def _kind(cell: object) -> str | None:
    return "number" if isinstance(cell, (int, float)) or cell is None else None


def interval(value: float | None, low: float | None = None, high: float | None = None) -> Html:
    """Returns a score with its interval of 95 %, in thousandths."""
    if value is None or np.isnan(value):
        return Html("–")
    shown = tag("b", f"{value:.3f}".replace("-", "−"))
    if low is None or high is None:
        return tag("span", shown, class_="score")
    return tag("span", shown, tag("small", f" {low:.3f} – {high:.3f}".replace("-", "−")), class_="score")


def drawing(figure: Figure, caption: object = "", alt: str = "") -> Html:
    """Returns a figure of lines and text, as SVG whose text is text; the same figure is the same bytes."""
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "report"}):
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": None})
    drawn = DRAWN_FONT.sub(FONT, buffer.getvalue().decode()).encode()
    width, _ = figure.get_size_inches()
    return _pictured(_embedded("svg+xml", drawn), caption, alt, style=f"width: {width * INCH:.0f}px")


def plotted(figure: Figure, caption: object = "", alt: str = "") -> Html:
    """Returns a figure that is mostly pictures, as PNG."""
    from mmae_jax.report.output import to_rgb

    width, _ = figure.get_size_inches()
    return _pictured(_embedded("png", _png(to_rgb(figure))), caption, alt, style=f"width: {width * INCH:.0f}px")


def stored(png: bytes, caption: object = "", alt: str = "") -> Html:
    """Returns a PNG file that is there already."""
    return _pictured(_embedded("png", png), caption, alt, style="max-width: min(100%, 46rem)")


def picture(pixels: np.ndarray, caption: object = "", alt: str = "") -> Html:
    """Returns an image, float `[H, W, 3]` in [0, 1], NaN in white."""
    whole = np.where(np.isnan(pixels), 1.0, pixels)
    crisp = "crisp" if max(pixels.shape[:2]) < CRISP else None
    image = tag_open("img", src=_embedded("png", _png((255 * whole).round().astype(np.uint8))), alt=alt, class_=crisp)
    return tag("figure", image, tag("figcaption", caption) if caption else Html(""), class_="picture")


def tag_open(name: str, /, **attributes: object) -> Html:
    """Returns an element without content."""
    return Html(tag(name, **attributes).removesuffix(f"</{name}>"))


def _pictured(source: str, caption: object, alt: str, style: str | None = None) -> Html:
    below = tag("figcaption", caption) if caption else Html("")
    return tag("figure", tag_open("img", src=source, alt=alt, style=style), below)


def _embedded(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    imsave(buffer, pixels, format="png")
    return buffer.getvalue()

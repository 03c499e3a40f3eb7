"""`python -m data_prep preview SHARDS`: a sheet of prepared tiles with their labels."""

from __future__ import annotations

import argparse
from pathlib import Path

from data_prep.arguments import path, positive
from mmae_jax.exit_codes import UsageError

PAGES = (".html", ".htm")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments to its parser."""
    parser.add_argument("directory", type=path, metavar="SHARDS", help="folder of shards")
    parser.add_argument(
        "--out", type=Path, default=Path("preview.png"), help="file to write: .png (default: preview.png) or .html"
    )
    parser.add_argument("--split", action="append", default=[], help="split to show, may be repeated (default: all)")
    parser.add_argument("--tiles", type=positive, default=24, help="number of tiles (default: 24)")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    if options.out.suffix not in (".png", *PAGES):
        raise UsageError(f"--out: expected a file that ends in .png or .html, found {options.out}")
    write_preview(options.directory, options.out, splits=options.split, tiles=options.tiles)
    print(f"wrote {options.out}")


def write_preview(directory: Path, out: Path, *, splits: list[str], tiles: int) -> None:
    """Writes the sheet of some tiles in `directory` to the file `out`; raises as `read_sheet`."""
    # not at the top: what figures need would also be loaded into every process that prepares data
    from data_prep.preview.cards import read_sheet
    from data_prep.preview.page import write_page
    from data_prep.preview.picture import sheet_figure
    from mmae_jax.report.output import save_png

    sheet = read_sheet(directory, splits, tiles)
    title = f"{sheet.dataset.name}: {len(sheet.cards)} tiles in {directory}"
    if out.suffix in PAGES:
        write_page(sheet, title, out)
    else:
        save_png(sheet_figure(sheet, title), out)

"""The report of one run or several: one page that needs nothing beside it."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from etils import epath
from tqdm import tqdm

from mmae_jax.report.document import Page
from mmae_jax.report.look import Look
from mmae_jax.report.sections import SECTIONS
from mmae_jax.report.side_by_side import compared
from mmae_jax.report.summary import summary
from mmae_jax.report.workdir import Run


def write_report(runs: Sequence[Run], out: epath.PathLike, *, tiles: int) -> int:
    """Writes the report of runs, and returns its size in bytes.

    Args:
      runs: one, or several that are compared first.
      out: the file, `.html`.
      tiles: of each run, that are embedded and predicted for it.
    """
    names = [run.name for run in runs]
    page = Page(" · ".join(names), *([summary(runs[0])] if len(runs) == 1 else []))
    with tqdm(total=len(runs) * len(SECTIONS), unit="section", desc="report", leave=False) as bar:
        if len(runs) > 1:
            page.section("Comparison", functools.partial(compared, runs))
        for run in runs:
            if len(runs) > 1:
                page.head(run.name, summary(run))
            look = Look(run, tiles)
            for title, content in SECTIONS.items():
                bar.set_description(f"{run.name}: {title.lower()}")
                page.section(title, functools.partial(content, run, look))
                bar.update()
    return page.write(out)

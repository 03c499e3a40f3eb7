"""Gathers all that was found in a folder as one page of Markdown, with its figures beside it."""

from __future__ import annotations

import shutil
from itertools import groupby
from pathlib import Path

from etils import epath

from mmae_jax.claims import finding as findings
from mmae_jax.claims import markdown
from mmae_jax.formats import written_whole
from mmae_jax.spec import SpecError

HEAD = """# What holds

Does pretraining pay, and would an off-the-shelf model do? Each claim is asked by one command, of made-up landscapes in
which its truth is set, and of data with unknown truth. This page is written by `python -m mmae_jax claims --out=DIR
--page=docs/claims.md`; all in it was run.

A difference of two kinds of run is taken fold by fold (and seed by seed), on the same data. Its 95 % interval is
Student's t over the folds; where folds are parts of the same data, their variance is raised for the overlap of training
sets (Nadeau and Bengio 2003). A claim *holds* where the interval is above nothing, *does not hold* where it is below
what would count (a point, or what is said), and else *cannot be told*.

On your own data, with one folder of shards a fold:

    python -m mmae_jax claims temporal_fusion ssl_gain --config=CONFIG.py --shards=FOLD_0,FOLD_1,… --seeds=3 --out=DIR

"""


def write_page(out: Path, page: Path) -> Path:
    """Writes the page of all findings in a folder, and their figures to a folder beside it; returns its path.

    Raises:
      SpecError: there are none, or one is damaged.
    """
    folders = sorted(file.parent for file in out.glob(f"*/*/{findings.FILE}"))
    if not folders:
        raise SpecError(f"--page: found nothing in {out}")
    pictures = page.with_suffix("")
    pictures.mkdir(parents=True, exist_ok=True)
    found = [(findings.read(folder), folder) for folder in folders]
    parts = [HEAD, markdown.summary([one for one, _ in found])]
    for _, group in groupby(found, key=lambda pair: pair[0].claim):
        of_claim = list(group)
        figures = [_picture(folder, one, pictures) for one, folder in of_claim]
        parts.append(markdown.claim([one for one, _ in of_claim], figures))
    with written_whole(epath.Path(page)) as beside:
        beside.write_text("\n".join(parts), encoding="utf-8")
    return page


def _picture(folder: Path, found: findings.Finding, pictures: Path) -> str | None:
    file = folder / markdown.FIGURE
    if not file.exists():
        return None
    name = f"{found.claim}-{found.data}.png".replace(" ", "_")
    shutil.copyfile(file, pictures / name)
    return f"{pictures.name}/{name}"

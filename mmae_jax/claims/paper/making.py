"""Makes published tables: checks what is there, does the runs that are not finished, writes what was found."""

from __future__ import annotations

from collections.abc import Sequence

from etils import epath

from mmae_jax.claims.paper import result as results
from mmae_jax.claims.paper.figure import figure
from mmae_jax.claims.paper.plan import PaperRun, Plan
from mmae_jax.claims.paper.present import check_data, check_weights
from mmae_jax.claims.work import watched
from mmae_jax.config import to_plain
from mmae_jax.formats import begun_otherwise
from mmae_jax.report.output import save_png
from mmae_jax.spec import SpecError
from mmae_jax.spec.error import shown

FORMAT_VERSION = 1


def unfinished(plan: Plan, only: Sequence[str]) -> list[PaperRun]:
    """Returns the runs that are asked for and not finished, each behind the one from whose weights it starts.

    Raises:
      UsageError: `only` names what is not in the table.
      SpecError: data or weights are not there.
    """
    cells = plan.cells(only)
    check_weights(plan, cells)
    wanted = [run for cell in cells for run in plan.runs(*cell) if not run.finished]
    before = [run.after for run in wanted if isinstance(run.after, PaperRun) and not run.after.finished]
    found = list(dict.fromkeys([*before, *wanted]))
    check_data(plan, found)
    return found


def make(name: str, plan: Plan, runs: Sequence[PaperRun], processes: int, command: str) -> bool:
    """Does runs of a table and writes what its folder holds then; returns whether none failed.

    Raises:
      SpecError: the table was begun with other settings; names what differs.
    """
    plan.folder.mkdir(parents=True, exist_ok=True)
    _begin(plan)
    metrics = {run.folder: plan.table.datasets[run.dataset].metric for run in runs}
    done = watched(runs, name, processes, lambda run: metrics[run.folder])
    found = results.result(name, plan, command)
    results.write(plan.folder, found)
    text = results.markdown(found, plan)
    (plan.folder / "table.md").write_text(f"{text}\n![{found.title}]({results.FIGURE})\n", encoding="utf-8")
    save_png(figure(found, plan.table), plan.folder / results.FIGURE)
    print(text)
    return done


def _begin(plan: Plan) -> None:
    described = {
        "rows": to_plain(plan.table.rows),
        "fields": {one.field: one.value for one in plan.overrides},
        "seeds": plan.seeds,
    }
    if (other := begun_otherwise(epath.Path(plan.folder / "begun.json"), FORMAT_VERSION, described)) is not None:
        name, before, now = other
        raise SpecError(
            f"{plan.folder}: was begun with {name} {shown(before)}, found {shown(now)}; choose another --out"
        )

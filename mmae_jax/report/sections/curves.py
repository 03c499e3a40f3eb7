"""How each phase went, epoch by epoch."""

from __future__ import annotations

from mmae_jax.report.html import Absent, Html, drawing, joined, tag
from mmae_jax.report.look import Look
from mmae_jax.report.runs import training_curves
from mmae_jax.report.workdir import Run


def content(run: Run, look: Look) -> Html:
    """Returns a figure of each phase that logged something."""
    logged = list(dict.fromkeys(entry["phase"] for entry in run.entries))
    if not logged:
        raise Absent("nothing is in metrics.jsonl yet")
    parts: list[object] = []
    for phase in logged:
        result, monitor = run.results.get(phase), run.experiment.phase(phase).monitor
        if result is None:
            caption = "Not finished: no checkpoint is chosen yet."
        else:
            why = f"best {monitor} on val" if monitor else "the last one"
            caption = f"Chosen checkpoint: step {result.step} ({why}), dotted line."
        figure = training_curves(phase, run.entries, None if result is None else result.step, title="")
        parts += [tag("h3", phase), drawing(figure, caption, alt=f"training curves of {phase}")]
    return joined(parts)

"""Findings as Markdown: one claim, and the page of all of them."""

from __future__ import annotations

from collections.abc import Sequence

from mmae_jax.claims.finding import Compared, Finding

FIGURE = "finding.png"


def finding(found: Finding, figure: str | None = FIGURE) -> str:
    """Returns what was found on some data, as Markdown; `figure` is where its figure is."""
    lines = [f"### On {found.data}", "", f"{found.about}.", "", *_comparisons(found), "", *_arms(found), ""]
    if figure is not None:
        lines += [f"![differences on {found.data}]({figure})", ""]
    runs = f"{found.folds} folds × {found.seeds} seeds" if found.seeds > 1 else f"{found.folds} folds"
    lines += [f"Score: {found.metric}, {runs}; {duration(found.seconds)} on {found.device}, one run after the other:"]
    return "\n".join([*lines, "", f"    {found.command}", ""])


def claim(findings: Sequence[Finding], figures: Sequence[str | None]) -> str:
    """Returns all that was found about one claim, as Markdown."""
    first = findings[0]
    head = [f"## {first.claim.replace('_', ' ').capitalize()}", "", first.question, "", f"Published: {first.published}"]
    return "\n".join([*head, "", *(finding(*pair) for pair in zip(findings, figures, strict=True))])


def summary(findings: Sequence[Finding]) -> str:
    """Returns the table of all verdicts, as Markdown."""
    lines = [
        "| claim | on | difference in points [95 % interval] | verdict | made to |",
        "| --- | --- | --- | --- | --- |",
    ]
    for found in findings:
        for one in found.compared:
            cells = (f"{found.claim}: {one.says}", found.data, _interval(one), one.verdict, one.expected or "")
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _comparisons(found: Finding) -> list[str]:
    lines = []
    for one in found.compared:
        set_so = "" if one.expected is None else f" (as it was made to: *{one.expected}*)"
        if not one.as_set:
            set_so = f" (**although it was made to: {one.expected}**)"
        lines.append(f"- {one.says}: {_interval(one)} points, **{one.verdict}**{set_so}")
    return lines


def _arms(found: Finding) -> list[str]:
    rows = ["| runs | mean | deviation of folds |", "| --- | --- | --- |"]
    for name, arm in found.arms.items():
        deviation = "" if arm.deviation is None else f"{100 * arm.deviation:.1f}"
        rows.append(f"| {name} | {100 * arm.mean:.1f} | {deviation} |")
    return rows


def _interval(one: Compared) -> str:
    difference = f"{100 * one.difference:+.1f}"
    return (
        difference
        if one.low is None or one.high is None
        else (f"{difference} [{100 * one.low:+.1f}, {100 * one.high:+.1f}]")
    )


def duration(seconds: float) -> str:
    """Returns a time as one says it."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"

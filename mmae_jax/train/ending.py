"""What a run leaves, said at its end: scores, figures, and what comes next."""

from __future__ import annotations

from collections.abc import Iterator

from etils import epath

from mmae_jax.spec import Experiment
from mmae_jax.spec.error import choices
from mmae_jax.weights.export import EXPORTED
from mmae_jax.weights.result import read_result


def ending(experiment: Experiment, workdir: epath.PathLike) -> Iterator[str]:
    """Yields the scores and figures of each phase of `experiment` that `workdir` holds, and the next command."""
    workdir = epath.Path(workdir)
    for phase in experiment.phases:
        result = read_result(workdir, phase)
        if result is None:
            continue
        monitor = experiment.phase(phase).monitor
        for split, scores in result.scores.items():
            names = [name for name in scores if not name.startswith("loss")] or ["loss"]
            first = monitor if monitor in scores else names[0]
            yield f"{phase}, step {result.step}, {split}: {first}={scores[first]:.4g}"
        folder = workdir / "figures" / phase
        figures = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        yield f"{phase}, figures: {folder}: {choices(figures)}"
    if experiment.model.encoder == EXPORTED:
        yield f"next: python -m mmae_jax export --workdir={workdir} --out={workdir / 'weights.safetensors'}"
    else:
        yield f"next: tensorboard --logdir {workdir}"

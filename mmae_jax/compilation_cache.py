"""Compiled programs kept in a folder, so that the next process of an experiment starts without compiling again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import jax
from absl import logging
from etils import epath
from jax.experimental.compilation_cache import compilation_cache

from mmae_jax.spec import Experiment
from mmae_jax.spec.error import first_line

FOLDER = "compilation_cache"
TOLD = "jax_compilation_cache_dir"
"""The setting of JAX that names the folder."""
PROBE = ".writable"


@contextlib.contextmanager
def kept_programs(experiment: Experiment, workdir: epath.PathLike) -> Iterator[None]:
    """Looks compiled programs up in a folder while it is entered, and keeps there what it has to compile.

    The folder is `experiment.compilation_cache`; where that is None, the one JAX is told already (such as by
    `JAX_COMPILATION_CACHE_DIR`), else `compilation_cache` in `workdir`. Of several processes the first one writes, the
    others read. Without a folder that can be written, programs are compiled as if there were no cache.
    """
    if experiment.compilation_cache is None and jax.config.values["jax_compilation_cache_dir"]:
        yield
        return
    folder = experiment.compilation_cache or str(epath.Path(workdir) / FOLDER)
    if not _is_writable(folder):
        yield
        return
    settings: dict[str, object] = {
        TOLD: folder,
        # A start compiles some hundred programs that take less than JAX's default of a second, many seconds in all.
        "jax_persistent_cache_min_compile_time_secs": 0.0,
    }
    if "://" in folder:  # XLA's own caches below the folder are local files only
        settings["jax_persistent_cache_enable_xla_caches"] = "none"
    before = {name: getattr(jax.config, name) for name in settings}
    _update(settings)
    try:
        yield
    finally:
        _update(before)


def _update(settings: dict[str, object]) -> None:
    for name, value in settings.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()  # JAX opens the folder once, and would stay with it


def _is_writable(folder: str) -> bool:
    """Whether files can be written to `folder`, which is made where it is absent; says so where they cannot."""
    try:
        epath.Path(folder).mkdir(parents=True, exist_ok=True)
        if jax.process_index() == 0:
            probe = epath.Path(folder) / PROBE
            probe.write_text("")
            probe.unlink()
    except Exception as error:  # filesystems raise what not; none of it stops a run
        logging.warning(
            "%s: no compiled programs are kept there (%s: %s)", folder, type(error).__name__, first_line(error)
        )
        return False
    return True

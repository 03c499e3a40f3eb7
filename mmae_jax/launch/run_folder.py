"""What a run leaves in the folder of whoever started it as a process: its lines, and the time it took."""

from __future__ import annotations

from pathlib import Path

from etils import epath

from mmae_jax.exit_codes import how_ended
from mmae_jax.formats import written_whole


def last_line(file: Path) -> str:
    """Returns the last error in a file of lines, without its mark; the last line where there is none."""
    lines = [line for line in file.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    return (errors or lines or ["nothing"])[-1].removeprefix("error: ")


def why_ended(code: int, file: Path) -> str:
    """Returns how a process ended, by its code as `subprocess` has it, and its last line in a file."""
    return f"{how_ended(code)}: {last_line(file)}"


def seconds_taken(folder: Path, add: float = 0.0) -> float:
    """Returns the time that a run has taken, all starts together, after adding that of a start [s]."""
    file = folder / "seconds.txt"
    total = (float(file.read_text()) if file.exists() else 0.0) + add
    if add:
        with written_whole(epath.Path(file)) as beside:
            beside.write_text(f"{total}\n", encoding="utf-8")
    return total

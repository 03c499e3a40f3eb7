"""Who may import whom (docs/design.md, rooms), what importing may do, and how large files and folders may be."""

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted(path for room in ("mmae_jax", "data_prep", "configs") for path in (ROOT / room).rglob("*.py"))
FILES = [*MODULES, *(ROOT / "tests").rglob("*.py")]
CALLERS = ("train", "weights", "scenes", "commands", "command_line")
ONE_FILE = "modeling_mmae.py"
"""The model in PyTorch is read, copied and published as one file: it may have 400 lines."""
LOOKS_INTO_JAX = ("mmae_jax/launch/cluster.py",)
"""Says itself why."""


def nodes(path: Path, *, top_level: bool = False) -> Iterator[ast.AST]:
    """Yields the syntax nodes of a module; `top_level` leaves out those of functions."""
    tree = ast.parse(path.read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    inside = {id(node) for function in functions for node in ast.walk(function)} if top_level else set()
    yield from (node for node in ast.walk(tree) if id(node) not in inside)


def imported(path: Path, *, top_level: bool = False) -> Iterator[str]:
    """Yields the dotted names that a module imports; `top_level` leaves out imports inside functions."""
    for node in nodes(path, top_level=top_level):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize(
    ("importing", "forbidden"),
    [
        *(
            (f"mmae_jax/{room}", tuple(f"mmae_jax.{name}" for name in CALLERS))
            for room in ("models", "data", "baselines")
        ),
        ("mmae_jax/parallel.py", tuple(f"mmae_jax.{name}" for name in CALLERS)),
        ("mmae_jax/train", ("mmae_jax.commands", "mmae_jax.command_line")),
        ("mmae_jax/train/monitor", ("mmae_jax.train.phase", "mmae_jax.train.loop", "mmae_jax.train.session")),
        *((f"mmae_jax/{room}", ("data_prep",)) for room in ("models", "data", "train", "weights", "contract")),
    ],
)
def test_rooms_do_not_import_what_uses_them(importing, forbidden):
    paths = [path for path in MODULES if path.relative_to(ROOT).is_relative_to(importing)]
    assert paths
    wrong = [(str(path), name) for path in paths for name in imported(path) if name.startswith(forbidden)]
    assert not wrong


def test_nothing_imports_the_benchmarks():
    users = [path for path in MODULES if "bench" not in path.parts and path.name not in ("__main__.py", "bench.py")]
    assert not [(str(path), name) for path in users for name in imported(path, top_level=True) if ".bench" in name]


def test_contracts_import_the_specification_alone():
    contracts = [path for path in MODULES if path.name == "contract.py" and "datasets" in path.parts]
    allowed = ("mmae_jax.spec", "immutabledict", "dataclasses", "__future__", "data_prep.datasets.")
    assert not [(str(p), name) for p in contracts for name in imported(p) if not name.startswith(allowed)]


def test_configs_import_contracts_alone_of_data_prep():
    names = [(str(path), name) for path in MODULES if "configs" in path.parts for name in imported(path)]
    assert not [pair for pair in names if pair[1].startswith("data_prep") and ".contract." not in pair[1]]
    assert not [pair for pair in names if pair[1].startswith(("mmae_jax.train", "mmae_jax.models", "mmae_jax.data"))]


def test_data_prep_is_imported_only_inside_functions_of_commands():
    modules = [path for path in MODULES if path.is_relative_to(ROOT / "mmae_jax")]
    users = {path for path in modules for name in imported(path) if name.startswith("data_prep")}
    assert {path.parent.name for path in users} <= {"commands", "command_line", "bench"}
    assert not [path for path in users for name in imported(path, top_level=True) if name.startswith("data_prep")]


def test_nothing_looks_into_jax_or_calls_c():
    allowed = [path for path in FILES if str(path.relative_to(ROOT)) not in LOOKS_INTO_JAX]
    names = [(str(path), name) for path in allowed for name in imported(path)]
    assert not [pair for pair in names if pair[1].startswith(("jax._src", "jaxlib", "ctypes"))]


def test_the_environment_is_used_inside_functions_alone():
    """So that importing a module changes nothing outside it."""
    outside = [(path, node) for path in MODULES for node in nodes(path, top_level=True)]
    assert not [str(path) for path, node in outside if isinstance(node, ast.Attribute) and node.attr == "environ"]


def test_files_and_folders_are_small():
    lines = {path: len(path.read_text().splitlines()) for path in FILES}
    folders = [path.parent for path in FILES]
    assert statistics.median(lines.values()) <= 120
    assert not [str(path) for path in MODULES if lines[path] > (400 if path.name == ONE_FILE else 350)]
    assert not [str(folder) for folder in set(folders) if folders.count(folder) > 16]

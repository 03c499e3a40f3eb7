"""Pages for readers hold true: their commands run, links and citations lead somewhere, tables name what there is."""

from __future__ import annotations

import argparse
import functools
import itertools
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
import pyarrow as pa
import pytest
import rasterio
from pyarrow import parquet

from data_prep import __main__ as data_prep
from data_prep.datasets import registry
from data_prep.datasets.folder.description import Folder
from data_prep.datasets.series.description import Series
from mmae_jax.command_line import program as mmae_jax_program
from mmae_jax.tasks import TASKS
from tests import compilation, runs

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RUN, NOT_RUN, RUN_ELSEWHERE = "run", "not run", "run elsewhere"
FENCE = re.compile(
    r"(?:^<!-- (?P<mark>[^:\n]*?)(?:: (?P<note>.*?))? -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S
)
PLACES = {
    # Page → word of its commands → fixture that stands for it; other words in capitals are new folders.
    "README": {"RAW": "synthetic_raw"},
    "data": {"RAW": "synthetic_raw"},
    "own_dataset": {"RASTERS": "rasters"},
    "series": {"TABLES": "tables"},
    "training": {"SHARDS": "synthetic_shards"},
    "weights": {"SHARDS": "synthetic_shards", "RUN": "finished_run"},
    "evaluation": {"RUN": "copied_run"},
    "scenes": {"RUN": "finished_run"},
}
CONFIG = "configs/treesatai_ts.py"


class Block(NamedTuple):
    """A fenced block of a page: in which language, and whether it runs."""

    page: Path
    language: str
    text: str
    mark: str
    note: str


def blocks(page: Path) -> Iterator[Block]:
    for found in FENCE.finditer(page.read_text()):
        yield Block(page, found["language"], found["text"], found["mark"] or "", found["note"] or "")


ALL_BLOCKS = [block for page in PAGES for block in blocks(page)]
PAGES_THAT_RUN = sorted({block.page for block in ALL_BLOCKS if block.mark == RUN})


def name_of(page: Path) -> str:
    return page.stem


# ---------------------------------------------------------------------------------------------------- commands


@pytest.mark.parametrize("block", [block for block in ALL_BLOCKS if block.language in ("sh", "python")], ids=repr)
def test_every_block_of_commands_runs_or_says_why_not(block):
    assert block.mark in (RUN, NOT_RUN, RUN_ELSEWHERE), f"{block.page.name}: a block without a mark: {block.text}"
    if block.mark == NOT_RUN:
        assert block.note, "why not"
    if block.mark == RUN_ELSEWHERE:
        assert (ROOT / block.note).is_file()


def test_every_fence_is_recognised():
    for page in PAGES:
        assert len(re.findall(r"^```", page.read_text(), re.M)) == 2 * len(list(blocks(page)))


@pytest.fixture(scope="session")
def rasters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pairs of images as the example of a dataset of one's own describes them."""
    raw = tmp_path_factory.mktemp("rasters")
    for tile, (sensor, bands, dtype) in itertools.product(range(3), (("s2", 12, "uint16"), ("s1", 2, "float32"))):
        file = raw / sensor / f"S2A_MSIL2A_2018010{tile + 1}T100000_{tile}.tif"
        file.parent.mkdir(exist_ok=True)
        pixels = np.random.default_rng(tile).integers(1, 2000, (bands, 120, 120)).astype(dtype)
        place = {"crs": "EPSG:32632", "transform": rasterio.Affine(10, 0, 5e5, 0, -10, 5e6 + 1200 * tile)}
        with rasterio.open(file, "w", "GTiff", 120, 120, bands, dtype=dtype, **place) as image:
            image.write(pixels)
    return raw


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of fields as the example of a table of one's own describes it."""
    folder, rng = tmp_path_factory.mktemp("tables"), np.random.default_rng(0)
    rows = [(field, month) for field in range(40) for month in range(1, 7)]
    columns = {f"S2-{band}": rng.integers(100, 3000, len(rows)) for band in ("B02", "B03", "B04", "B08", "B11")}
    columns |= {f"S1-{band}": rng.integers(1000, 9000, len(rows)) for band in ("VV", "VH")}
    columns |= {"field_id": [f"f{field}" for field, _ in rows], "month": [f"2020-0{month}-01" for _, month in rows]}
    columns |= {"crop_code": [field % 4 for field, _ in rows], "region": [f"r{field // 3}" for field, _ in rows]}
    columns |= {"lon": [10.0 + field for field, _ in rows], "lat": [50.0] * len(rows)}
    parquet.write_table(pa.table(columns), folder / "fields.parquet")
    return folder


@pytest.fixture(scope="session")
def copied_run(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run that may be written to."""
    return Path(shutil.copytree(finished_run, tmp_path_factory.mktemp("copied") / "run"))


@pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")  # how ml_collections 1.1 reads a config file
@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES_THAT_RUN, ids=name_of)
def test_the_commands_of_a_page_run(page, request, tmp_path, monkeypatch):
    places = {name: str(request.getfixturevalue(fixture)) for name, fixture in PLACES[page.stem].items()}
    monkeypatch.chdir(tmp_path)
    jax.devices()  # this process has its devices; those it starts have one, as users' have
    monkeypatch.setenv("XLA_FLAGS", compilation.environment()["XLA_FLAGS"])
    for block in blocks(page):
        if block.mark != RUN:
            continue
        if block.language == "python":
            _run_python(block, places)
        else:
            for command in shlex_lines(block.text):
                _run_command(_at_small_size(command, places, tmp_path))


def shlex_lines(text: str) -> Iterator[list[str]]:
    """Yields the words of each command; a line that ends in a backslash goes on."""
    for line in text.replace("\\\n", " ").splitlines():
        if words := shlex.split(line, comments=True):
            yield words


def _at_small_size(words: list[str], places: dict[str, str], folder: Path) -> list[str]:
    """Puts folders in for words in capitals, and the smallest of models for that of a config."""
    words = [word.replace(CONFIG, str(runs.CONFIG)) for word in words]
    return [re.sub(r"(?<==)[A-Z_]+$|^[A-Z_]+$", lambda at: places.get(at[0], str(folder / at[0])), w) for w in words]


def _run_python(block: Block, places: dict[str, str]) -> None:
    text = block.text
    for name, place in places.items():
        text = text.replace(f'"{name}/', f'"{place}/')
    if block.note:
        Path(block.note).write_text(text)
    variables: dict[str, object] = {}
    exec(compile(text, block.page.name, "exec"), variables)
    if "dataset" in variables:
        assert isinstance(variables["dataset"], Folder | Series)


def _run_command(words: list[str]) -> None:
    assert words[:2] == ["python", "-m"], words
    program, *arguments = words[2:]
    if program == "data_prep":
        assert data_prep.main(arguments) == 0
        return
    assert program == "mmae_jax"
    with pytest.MonkeyPatch.context() as patch:
        runs.only_one_device(patch)
        assert mmae_jax_program.main(arguments) == 0


# ------------------------------------------------------------------------------------- links, citations, tables


def anchors(page: Path) -> set[str]:
    """Returns the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in link:
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_readme_is_short_and_leads_to_every_page():
    text = PAGES[0].read_text()
    assert len(text.splitlines()) <= 150
    for page in PAGES[1:]:
        assert f"(docs/{page.name}" in text


CITATION = re.compile(r"docs/(\w+)\.md(?:, (decisions?) (\d+)|((?:,? (?:and )?§[\d.]+(?:–\d+)?)+))?")

WITHOUT_PAGE = re.compile(r"(?<!docs/method\.md )(?<![\d,–] )(?<!and )§\d")


def sources() -> Iterator[tuple[str, str]]:
    """Yields name and text of every file of code that git knows."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        if name.endswith((".py", ".cfg", ".toml", ".sh", ".yaml", ".sbatch")):
            yield name, (ROOT / name).read_text()


@functools.cache
def sections(page: str) -> frozenset[str]:
    """Returns the numbers of headings (`## 8. …`), of their lists (`8.2`), and of decisions (`decision 4`)."""
    found, chapter = set(), ""
    for line in (ROOT / "docs" / f"{page}.md").read_text().splitlines():
        if heading := re.match(r"## (?:(\d+)\. )?", line):
            chapter = heading[1] or ""
            found |= {chapter}
        elif item := re.match(r"(\d+)\. ", line):
            found |= {f"{chapter}.{item[1]}" if chapter else f"decision {item[1]}"}
    return frozenset(found)


def test_citations_in_the_code_resolve():
    wrong = []
    for name, text in sources():
        wrong += [f"{name}: {line}" for line in text.splitlines() if WITHOUT_PAGE.search(line)]
        for page, _, decision, numbers in CITATION.findall(text):
            cited = [f"decision {decision}"] if decision else re.findall(r"\d[\d.]*\d|\d", numbers)
            if not (ROOT / "docs" / f"{page}.md").is_file():
                wrong.append(f"{name}: docs/{page}.md")
            else:
                wrong += [f"{name}: docs/{page}.md {number}" for number in set(cited) - sections(page)]
    assert not wrong


def test_the_tables_name_all_datasets_configs_and_scores():
    rows = [line for line in (ROOT / "docs" / "data.md").read_text().splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows if "configs/" in row]
    commands = [re.match(r"`(\w+)", row[1])[1] for row in cells]
    assert set(commands) == set(registry.DATASETS)
    configs = {re.search(r"configs/(\w+)\.py", row[3])[1] for row in cells}
    assert configs == {file.stem for file in (ROOT / "configs").glob("*.py")} - {
        "__init__",
        "common",
        "cross_dataset",
        "foundation_models",
        "quickstart",
        "series",
    }
    for name in registry.DATASETS:
        parser = argparse.ArgumentParser(add_help=False)
        registry.reader(name).add_arguments(parser)
        named = [row for row, command in zip(cells, commands, strict=True) if command == name]
        found = {option for row in named for option in re.findall(r"--\w+", f"{row[1]} {row[2]}")}
        assert found == {option for action in parser._actions for option in action.option_strings}
    evaluation = (ROOT / "docs" / "evaluation.md").read_text()
    for kind, task in TASKS.items():
        row = next(line for line in evaluation.splitlines() if line.startswith(f"| `{kind}`"))
        assert all(f"`{metric}`" in row for metric in task.metrics)

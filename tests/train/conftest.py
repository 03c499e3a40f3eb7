from collections.abc import Iterator

import pytest

from tests.runs import Scripted


@pytest.fixture
def scripted(quick_compilation: None) -> Iterator[Scripted]:
    """Training and evaluation are replaced by something quick with known results."""
    patch = Scripted()
    yield patch
    patch.undo()

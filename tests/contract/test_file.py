"""The sensor contract on disk says in which version of the format it is written."""

import json

import pytest

from data_prep.datasets.treesatai_ts.contract import CONTRACT
from mmae_jax.contract import CONTRACT_FILE, ContractError, read_contract, write_contract


@pytest.fixture
def stored(tmp_path):
    """Writes a contract in which some top-level values are changed; None removes one."""
    write_contract(CONTRACT, tmp_path)

    def store(**changes):
        plain = json.loads((tmp_path / CONTRACT_FILE).read_text()) | changes
        plain = {name: value for name, value in plain.items() if value is not None}
        (tmp_path / CONTRACT_FILE).write_text(json.dumps(plain))
        return tmp_path

    return store


def test_contract_says_its_version_first(stored):
    plain = json.loads((stored() / CONTRACT_FILE).read_text())
    assert next(iter(plain.items())) == ("format_version", 1)


def test_contract_from_before_versions_means_the_same(stored):
    assert read_contract(stored(format_version=None)) == CONTRACT


@pytest.mark.parametrize("version", [2, "1.5", -1, True, [1]])
def test_contract_of_an_unknown_version_is_refused_by_name(stored, version):
    expected = "expected at most 1, found 2; it was written by a newer version" if version == 2 else "expected a number"
    with pytest.raises(ContractError, match=f"{CONTRACT_FILE}: format_version: {expected}"):
        read_contract(stored(format_version=version))


def test_contract_from_before_versions_that_cannot_be_understood_says_what_to_do(stored):
    with pytest.raises(ContractError, match=r"written by an older version, prepare .* again .*: colour: no such field"):
        read_contract(stored(format_version=None, colour="red"))


@pytest.mark.parametrize("text", ["[]", "3", '"s2"'])
def test_what_is_no_contract_is_refused(tmp_path, text):
    (tmp_path / CONTRACT_FILE).write_text(text)
    with pytest.raises(ContractError, match=r"expected fields with values, found (list|int|str)"):
        read_contract(tmp_path)

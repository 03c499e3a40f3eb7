"""What sensors promise, and the format of a record."""

from mmae_jax.contract.comparison import (
    SHARDS,
    VALUES,
    check_allow,
    check_contract,
    differences,
    in_use,
    refused,
    warn_once,
)
from mmae_jax.contract.file import CONTRACT_FILE, ContractError, read_contract, write_contract

__all__ = [
    "CONTRACT_FILE",
    "SHARDS",
    "VALUES",
    "ContractError",
    "check_allow",
    "check_contract",
    "differences",
    "in_use",
    "read_contract",
    "refused",
    "warn_once",
    "write_contract",
]

"""Weights of one experiment taken to another: whether they mean the same, what is adapted, and a report of it all."""

from mmae_jax.weights.transfer.adaptation import Adapted, adapted, all_loaded, same_model
from mmae_jax.weights.transfer.load_report import LOAD_REPORT_FILE, LoadReport, Row
from mmae_jax.weights.transfer.meaning import check_transfer

__all__ = ["LOAD_REPORT_FILE", "Adapted", "LoadReport", "Row", "adapted", "all_loaded", "check_transfer", "same_model"]

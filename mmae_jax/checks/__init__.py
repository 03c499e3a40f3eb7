"""Whether the fields of an experiment fit each other, its dataset, and what the program can do."""

from mmae_jax.checks.dataset import check_dtype, check_pixels
from mmae_jax.checks.experiment import check_experiment

__all__ = ["check_dtype", "check_experiment", "check_pixels"]

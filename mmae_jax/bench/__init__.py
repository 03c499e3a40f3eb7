"""Measurements of speed and size: `python -m mmae_jax.bench <what> …`."""

"""Foundation models of others behind the seam of `mmae_jax/models/encoder.py` (docs/foundation_models.md)."""

"""Claims that `python -m mmae_jax claims` asks: each a module with `get_claim`, see `mmae_jax/claims/claim.py`."""

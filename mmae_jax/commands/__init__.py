"""What `python -m mmae_jax COMMAND` does: one thin module a command, loaded when it is asked for."""

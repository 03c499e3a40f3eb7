"""`python -m mmae_jax.quickstart …`: the same as `python -m mmae_jax quickstart …`."""

from mmae_jax.command_line.program import program

if __name__ == "__main__":
    program("quickstart")

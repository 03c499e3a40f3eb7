"""`python -m mmae_jax.bench …`: the same as `python -m mmae_jax bench …`."""

from mmae_jax.command_line.program import program

if __name__ == "__main__":
    program("bench")

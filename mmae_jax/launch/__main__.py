"""`python -m mmae_jax.launch …`: the same as `python -m mmae_jax launch …`."""

from mmae_jax.command_line.program import program

if __name__ == "__main__":
    program("launch")

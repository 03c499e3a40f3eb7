"""`python -m mmae_jax.main …`: the same as `python -m mmae_jax train …`."""

from mmae_jax.command_line.program import program

if __name__ == "__main__":
    program("train")

"""`python -m mmae_jax.main …`: the same as `python -m mmae_jax train …`."""

from mmae_jax.commands.command_line import program

if __name__ == "__main__":
    program("train")

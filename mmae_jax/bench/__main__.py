"""`python -m mmae_jax.bench …`: the same as `python -m mmae_jax bench …`."""

from mmae_jax.commands.command_line import program

if __name__ == "__main__":
    program("bench")

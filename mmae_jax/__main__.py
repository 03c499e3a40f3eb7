"""`python -m mmae_jax COMMAND`."""

from mmae_jax.command_line.program import program

if __name__ == "__main__":
    program()

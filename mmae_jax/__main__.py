"""`python -m mmae_jax COMMAND`."""

from mmae_jax.commands.command_line import program

if __name__ == "__main__":
    program()

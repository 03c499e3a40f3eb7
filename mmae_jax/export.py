"""`python -m mmae_jax.export …`: the same as `python -m mmae_jax export …`."""

from mmae_jax.command_line.program import program

if __name__ == "__main__":
    program("export")

"""Training: state, optimiser, step, loop, checkpoints, logs."""

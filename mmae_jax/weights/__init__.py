"""Weights: checkpoints, other sources of parameters, PyTorch names, export."""

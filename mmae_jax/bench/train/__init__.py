"""`bench train`: the training step on the devices at hand."""

"""What is put beside exported weights, so that they answer where PyTorch alone is installed."""

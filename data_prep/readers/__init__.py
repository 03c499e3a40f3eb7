"""What the readers of several datasets need."""

"""Whole areas: from the images of sensors to maps and embeddings, square by square."""

"""Runs of several processes, as a user starts them."""

"""What sensors promise, and the format of a record."""

"""One folder a dataset: its contract, its reader, made-up raw data in its layout, and what only it needs."""

"""From shards to host batches: a function of (seed, step)."""

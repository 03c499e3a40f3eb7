"""From the tiles of any dataset to a folder of shards, and back to what is wrong with one."""

"""Fields whose truth is set: made up, so that an experiment can be seen to find what is there and nothing else."""

"""Starting a run of several processes: on this machine, and files for SLURM, TPU slices and Kubernetes."""

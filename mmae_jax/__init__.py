"""Masked autoencoders for multimodal, multitemporal, multispectral Earth observation data."""

import os

from jax._src import cloud_tpu_init

if not cloud_tpu_init.running_in_cloud_tpu_vm:
    # JAX loads libtpu wherever it is installed (extra `tpu`, to compile for slices), and libtpu looks for the slice it
    # is part of: without an answer it prints errors that are none.
    os.environ.setdefault("TPU_ACCELERATOR_TYPE", "v5litepod-4")
    os.environ.setdefault("TPU_WORKER_HOSTNAMES", "localhost")

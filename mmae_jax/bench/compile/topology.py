"""TPU slices that are not there: their devices, to compile for."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence

import jax
from jax.experimental import topologies

from mmae_jax import parallel
from mmae_jax.spec import SpecError
from mmae_jax.spec.error import first_line

# libtpu would look for the machine's own slice, on the network where need be; see also `parallel.py`.
_NO_SLICE_HERE = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_STDERR_LOG_LEVEL": "3",
    "TPU_MIN_LOG_LEVEL": "3",
    # Several may compile at once: none of them takes a chip.
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}


def slice_devices(topology: str, num_slices: int = 1) -> Sequence[jax.Device]:
    """Returns the devices of TPU slices, for compilation only.

    Args:
      topology: name of a slice's topology, such as `v5e:16x16` or `v5p:4x4x4`.
      num_slices: number of slices, with the slow network between them.

    Raises:
      SpecError: libtpu is not installed, or there is no such slice.
    """
    if importlib.util.find_spec("libtpu") is None:
        raise SpecError("bench compile: needs libtpu, `pip install 'mmae_jax[tpu]'`; no TPU is needed")
    for name, value in _NO_SLICE_HERE.items():
        os.environ.setdefault(name, value)
    parallel.leave_accelerators()
    options = {"num_slices": num_slices} if num_slices > 1 else {}
    try:
        described = topologies.get_topology_desc(platform="tpu", topology_name=topology, **options)
    except jax.errors.JaxRuntimeError as error:
        raise SpecError(
            f"--topology: expected slices like v5e:16x16, found {topology!r} ({first_line(error)})"
        ) from error
    return list(described.devices)

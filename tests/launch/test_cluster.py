"""Which processes make a run: told by flags, by the environment, or none."""

import dataclasses

import jax
import numpy as np
import pytest
from jax.sharding import AxisType

from mmae_jax import parallel
from mmae_jax.launch.cluster import Cluster, find_cluster, listening_address, reached_at
from mmae_jax.spec import SpecError

BATCH_SHELL = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NNODES": "2"}
STEP = BATCH_SHELL | {"SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_NUM_NODES": "2", "SLURM_LOCALID": "1"}
MPI = {
    "OMPI_COMM_WORLD_SIZE": "4",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
    "OMPI_MCA_orte_hnp_uri": "1531576320.0;tcp://10.96.0.1:34911",
}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        (BATCH_SHELL, None),
        (BATCH_SHELL | {"SLURM_STEP_NUM_TASKS": "1"}, None),  # srun --pty bash
        (STEP, Cluster("slurm", devices=(1,))),
        (STEP | {"CUDA_VISIBLE_DEVICES": "0,1,2,3"}, Cluster("slurm", devices=(2, 3))),
        (STEP | {"CUDA_VISIBLE_DEVICES": "1"}, Cluster("slurm")),
        (STEP | {"CUDA_VISIBLE_DEVICES": "2,3", "SLURM_GPUS_PER_TASK": "2"}, Cluster("slurm")),
        (STEP | {"SLURM_STEP_NUM_NODES": "4", "CUDA_VISIBLE_DEVICES": "0,1,2,3"}, Cluster("slurm")),
        (MPI, Cluster("ompi", devices=(1,))),
        (MPI | STEP, Cluster("ompi", devices=(1,))),
        (MPI | {"OMPI_COMM_WORLD_SIZE": "1"}, None),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, None),
    ],
)
def test_environments(environment, expected):
    assert find_cluster(None, None, None, environment) == expected


def test_tpu_slices_are_left_to_jax():
    chips = {"TPU_ML_PLATFORM": "JAX"}
    assert find_cluster(None, None, None, chips | {"TPU_WORKER_HOSTNAMES": "a,b", "TPU_WORKER_ID": "1"}) == Cluster()
    assert find_cluster(None, None, None, chips | {"TPU_SKIP_MDS_QUERY": "1"}) is None


def test_flags_come_first():
    assert find_cluster("host:1234", 2, 1, STEP) == Cluster("deactivate", "host:1234", 2, 1)


@pytest.mark.parametrize(
    ("flags", "environment", "message"),
    [
        (("host:1234", None, None), {}, "--coordinator: expected together with --num_processes, --process_id, or none"),
        ((None, 2, 0), {}, "--num_processes, --process_id: expected together with --coordinator, or none"),
        (("host", 2, 0), {}, "--coordinator: expected host:port, found 'host'"),
        (("host:1234", 2, 2), {}, "--process_id: expected 0 to 1 .*, found 2"),
        ((None, None, None), STEP | {"SLURM_STEP_NUM_TASKS": "3"}, "SLURM: expected as many tasks on every node"),
        ((None, None, None), STEP | {"CUDA_VISIBLE_DEVICES": "0,1,2"}, "CUDA_VISIBLE_DEVICES: expected a multiple of"),
        ((None, None, None), {"OMPI_COMM_WORLD_SIZE": "2"}, "Open MPI 5 and later .* give --coordinator"),
    ],
)
def test_contradictions_are_named(flags, environment, message):
    with pytest.raises(SpecError, match=message):
        find_cluster(*flags, environment)


@dataclasses.dataclass(frozen=True)
class Device:
    """As much of a device as a mesh needs."""

    id: int
    process_index: int
    platform: str = "cpu"
    device_kind: str = "cpu"


def mesh_of(order, shape, devices_per_process):
    devices = [Device(index, index // devices_per_process) for index in order]
    return jax.sharding.Mesh(np.array(devices).reshape(shape), parallel.AXES, axis_types=(AxisType.Auto,) * 3)


@pytest.mark.parametrize(
    ("order", "shape", "devices_per_process", "expected"),
    [
        (range(4), (4, 1, 1), 2, [(range(4),), (range(4, 8),)]),
        (range(4), (2, 2, 1), 1, [(range(2),), (range(2, 4),), (range(4, 6),), (range(6, 8),)]),
        (range(4), (1, 2, 2), 1, [(range(4),), (range(4),), (range(4, 8),), (range(4, 8),)]),  # tensor over processes
        (range(4), (1, 1, 4), 1, [(range(8),)] * 4),
        ((0, 1, 4, 5, 2, 3, 6, 7), (8, 1, 1), 4, [(range(2), range(4, 6)), (range(2, 4), range(6, 8))]),
        (range(6), (2, 1, 3), 2, [(range(4),), (range(8),), (range(4, 8),)]),
    ],
)
def test_rows_of_each_process(order, shape, devices_per_process, expected):
    mesh = mesh_of(order, shape, devices_per_process)
    assert [parallel.process_rows(8, mesh, process) for process in range(len(expected))] == expected


@pytest.mark.parametrize(
    ("coordinator", "listens"),
    [
        ("localhost:1234", reached_at("localhost:1234")),
        ("127.0.0.1:1234", "127.0.0.1:1234"),
        ("192.0.2.1:1234", None),  # of no machine
        ("no-such-host.invalid:1234", None),
    ],
)
def test_the_coordinator_listens_where_it_says(coordinator, listens):
    told = Cluster("deactivate", coordinator, 2, 0)
    assert listening_address(told) == listens
    assert listening_address(dataclasses.replace(told, process_id=1)) is None


def test_a_coordinator_that_is_found_listens_everywhere():
    assert listening_address(Cluster("slurm")) is None


def test_one_machine_meets_at_its_loopback_address():
    assert reached_at("localhost:1234") in ("[::1]:1234", "127.0.0.1:1234")
    assert reached_at("node1:1234") == "node1:1234"
    assert reached_at(None) is None

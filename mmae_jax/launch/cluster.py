"""Starts this process as one of a run: by what it is told, by the cluster it runs in, or alone.

Where nothing is told, the environment decides, in this order: Open MPI (`mpirun`), a SLURM step of several tasks
(`srun`), a TPU slice (Google Cloud or GKE), an indexed Kubernetes Job or JobSet. Addresses and ranks are those of
JAX's own cluster detection, which this module asks only where there is more than one process: the shell of an
allocation (`salloc`, `sbatch`) would wait for processes that nobody starts.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import ipaddress
import logging as python_logging
import os
import socket
import sys
import threading
from collections.abc import Mapping

import jax
from absl import logging

# The one private module of JAX in use: nothing public tells the coordinator's address before there are devices, or
# gives access to the key-value store of the processes, on which `Peers` stands.
from jax._src import distributed

from mmae_jax.hardware import tpu
from mmae_jax.launch.peers import Peers
from mmae_jax.spec import SpecError
from mmae_jax.spec.error import first_line


@dataclasses.dataclass(frozen=True)
class Cluster:
    """Where the other processes are; what is None is found by JAX.

    Attributes:
      method: `cluster_detection_method` of `jax.distributed.initialize`; None tries all.
      coordinator: `host:port` of process 0.
      num_processes: processes of the run.
      process_id: rank of this one.
      devices: local devices this process uses; None for all it sees.
    """

    method: str | None = None
    coordinator: str | None = None
    num_processes: int | None = None
    process_id: int | None = None
    devices: tuple[int, ...] | None = None


def start(cluster: Cluster | None, start_seconds: float, lost_after_seconds: float) -> Peers:
    """Connects this process with the others of its run; to be called before anything asks JAX for devices.

    Processes other than the first show only warnings and errors from now on, with their number.

    Args:
      cluster: None for a run of one process.
      start_seconds: how long to wait for the others; then this process ends with one message.
      lost_after_seconds: how long a process may show no sign of life.
    """
    if cluster is None:
        return Peers(None, 0, 1, "", lost_after_seconds)
    # SIGTERM is for training to handle, also while no JAX program runs.
    jax.config.update("jax_enable_preemption_service", False)
    watchdog = threading.Timer(start_seconds, _give_up, (cluster, start_seconds))
    watchdog.daemon = True
    watchdog.start()
    try:
        jax.distributed.initialize(
            reached_at(cluster.coordinator),
            cluster.num_processes,
            cluster.process_id,
            # An empty list is no restriction; None would let JAX take one device in every SLURM or MPI task.
            local_device_ids=cluster.devices or [],
            cluster_detection_method=cluster.method,
            # JAX ends a process in both cases without naming what is missing: here, that comes first.
            initialization_timeout=int(start_seconds) + 60,
            heartbeat_timeout_seconds=int(lost_after_seconds) + 30,
            coordinator_bind_address=listening_address(cluster),
        )
    except (ValueError, RuntimeError) as error:
        first = first_line(error) or type(error).__name__
        raise SpecError(f"this process cannot find the others: {first}") from error
    finally:
        watchdog.cancel()
    state = distributed.global_state
    if state.process_id:
        logging.set_verbosity(logging.WARNING)
        logging.get_absl_handler().setFormatter(_Numbered(state.process_id))
    address = str(cluster.coordinator or state.coordinator_address)
    return Peers(state.client, state.process_id, state.num_processes, address, lost_after_seconds)


def listening_address(cluster: Cluster) -> str | None:
    """Returns `host:port` that process 0 listens on: the coordinator's own address; None for all of its interfaces.

    JAX listens on all of them, where any stranger's connection ends the run. That stays so where the coordinator is
    found by JAX, or is a name by which others see this machine, and it does not see itself.
    """
    if cluster.process_id != 0 or cluster.coordinator is None:
        return None
    host, _, port = str(reached_at(cluster.coordinator)).rpartition(":")
    try:
        family, _, _, _, (address, *_) = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
    except OSError:
        return None
    if not _is_own(family, str(address)):
        return None
    if ipaddress.ip_address(address).is_loopback and host.strip("[]") != address:
        return None  # Debian gives a machine's own name an address that other machines do not reach
    return f"[{address}]:{port}" if family == socket.AF_INET6 else f"{address}:{port}"


def reached_at(coordinator: str | None) -> str | None:
    """Returns `host:port` under which processes reach the coordinator; `localhost` is one address, not several."""
    host, _, port = (coordinator or "").rpartition(":")
    if host != "localhost":
        return coordinator
    return f"[::1]:{port}" if _is_own(socket.AF_INET6, "::1") else f"127.0.0.1:{port}"


def _is_own(family: int, address: str) -> bool:
    try:
        with socket.socket(family) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


class _Numbered(logging.PythonFormatter):
    """Says which process a line comes from."""

    def __init__(self, process: int) -> None:
        super().__init__()
        self._process = process

    def format(self, record: python_logging.LogRecord) -> str:
        return f"process {self._process}: {super().format(record)}"


def _give_up(cluster: Cluster, seconds: float) -> None:
    """Ends this process, which JAX would do by an abort that names neither address nor reason."""
    address = cluster.coordinator or distributed.global_state.coordinator_address
    problem = f"not all processes of the run have come to {address} within {seconds:g} s"
    if address is None:
        problem = f"no coordinator found within {seconds:g} s"
    else:
        host, _, port = str(reached_at(address)).rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
        except OSError as error:
            problem = f"no connection to the coordinator at {address} within {seconds:g} s ({error})"
    print(f"error: {problem}", file=sys.stderr, flush=True)
    os._exit(1)


def find_cluster(
    coordinator: str | None,
    num_processes: int | None,
    process_id: int | None,
    environment: Mapping[str, str] = os.environ,
) -> Cluster | None:
    """Returns where the other processes of this run are, None where there are none.

    Args:
      coordinator: `host:port` that process 0 listens on; this and the next two are given together, or none of them.
      num_processes: processes of the run.
      process_id: rank of this process.
      environment: environment variables.

    Raises:
      SpecError: some are given and some not, or they contradict each other or the environment.
    """
    told = {"--coordinator": coordinator, "--num_processes": num_processes, "--process_id": process_id}
    absent = [name for name, value in told.items() if value is None]
    if coordinator is not None and num_processes is not None and process_id is not None:
        return _explicit(coordinator, num_processes, process_id)
    if len(absent) < len(told):
        given = ", ".join(name for name in told if name not in absent)
        raise SpecError(f"{given}: expected together with {', '.join(absent)}, or none of the three")
    return _from_environment(environment)


def _explicit(coordinator: str, num_processes: int, process_id: int) -> Cluster:
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdigit():
        raise SpecError(f"--coordinator: expected host:port, found {coordinator!r}")
    if not 0 <= process_id < num_processes:
        raise SpecError(f"--process_id: expected 0 to {num_processes - 1} (--num_processes less 1), found {process_id}")
    return Cluster("deactivate", coordinator, num_processes, process_id)


def _from_environment(environment: Mapping[str, str]) -> Cluster | None:
    if int(environment.get("OMPI_COMM_WORLD_SIZE", 1)) > 1:
        return _open_mpi(environment)
    tasks = int(environment.get("SLURM_STEP_NUM_TASKS", 1))
    if tasks > 1:
        return _slurm(environment, tasks)
    if tpu.has_chips(environment) and "TPU_SKIP_MDS_QUERY" not in environment:
        return Cluster()
    indexed = "KUBERNETES_SERVICE_HOST" in environment and "JOB_COMPLETION_INDEX" in environment
    return Cluster() if indexed and importlib.util.find_spec("kubernetes") else None


def _open_mpi(environment: Mapping[str, str]) -> Cluster:
    if "OMPI_MCA_orte_hnp_uri" not in environment:
        raise SpecError(
            "Open MPI 5 and later do not tell processes where the first one is: give --coordinator=HOST:PORT "
            "--num_processes=$OMPI_COMM_WORLD_SIZE --process_id=$OMPI_COMM_WORLD_RANK"
        )
    local = int(environment["OMPI_COMM_WORLD_LOCAL_RANK"])
    return Cluster("ompi", devices=_own_devices(local, int(environment["OMPI_COMM_WORLD_LOCAL_SIZE"]), environment))


def _slurm(environment: Mapping[str, str], tasks: int) -> Cluster:
    nodes = int(environment["SLURM_STEP_NUM_NODES"])
    if tasks % nodes:
        raise SpecError(f"SLURM: expected as many tasks on every node, found {tasks} tasks on {nodes} nodes")
    bound = any(name in environment for name in ("SLURM_GPUS_PER_TASK", "SLURM_TRES_PER_TASK"))
    local = int(environment["SLURM_LOCALID"])
    return Cluster("slurm", devices=None if bound else _own_devices(local, tasks // nodes, environment))


def _own_devices(local: int, num_local: int, environment: Mapping[str, str]) -> tuple[int, ...] | None:
    """Returns which of the GPUs that all processes of a node see are this one's; None where all are."""
    if num_local == 1:
        return None
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return (local,)
    number = len(visible.split(",")) if visible else 0
    if number <= 1:
        return None  # each process has been given its own, or none
    if number % num_local:
        raise SpecError(f"CUDA_VISIBLE_DEVICES: expected a multiple of the {num_local} processes, found {visible}")
    share = number // num_local
    return tuple(range(local * share, (local + 1) * share))

"""One program in any number of processes: the same samples, masks, losses and scores."""

import json

import pytest

from tests import runs
from tests.multiprocess import measure, processes

# Processes, devices of each, and their mesh: data, fsdp, tensor.
RUNS = {
    "2 x 2, data": (2, 2, "4,1,1"),
    "2 x 2, sharded": (2, 2, "1,2,2"),
    "4 x 1, data": (4, 1, "4,1,1"),
    "4 x 1, sharded": (4, 1, "1,2,2"),
}
CASES = [pytest.param(name, marks=pytest.mark.slow if name.startswith("4") else ()) for name in RUNS]


@pytest.fixture(scope="module")
def expected(synthetic_shards):
    """What one device does."""
    return measure.measure(measure.experiment(synthetic_shards), runs.one_device())


@pytest.fixture(scope="module")
def found(synthetic_shards, tmp_path_factory):
    """What each process of each run finds; the processes are started once for all meshes."""
    done = {}

    def find(name):
        number, devices, mesh = RUNS[name]
        if (number, devices) not in done:
            meshes = [mesh for *size, mesh in RUNS.values() if tuple(size) == (number, devices)]
            out, address = tmp_path_factory.mktemp("measured"), processes.free_address()
            arguments = ["tests.multiprocess.measure", str(synthetic_shards), str(out), address, str(number)]
            variables = processes.environment(devices)
            started = [processes.start([*arguments, str(index), *meshes], variables) for index in range(number)]
            ends = processes.finish(started)
            assert [code for code, _ in ends] == [0] * number, ends
            done[number, devices] = [json.loads((out / f"{index}.json").read_text()) for index in range(number)]
        return [process[mesh] for process in done[number, devices]]

    return find


@pytest.mark.parametrize("name", CASES)
def test_losses_over_five_steps(found, expected, name):
    assert expected["scalars"][0]["loss"] != pytest.approx(expected["scalars"][-1]["loss"], rel=1e-4)
    for process in found(name):
        for step in range(measure.STEPS):
            assert process["scalars"][step] == pytest.approx(expected["scalars"][step], rel=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_samples_and_masks(found, expected, name):
    rows = {}
    for process in found(name):
        for row, digest in process["samples"].items():
            assert rows.setdefault(row, digest) == digest
        assert process["masks"] == expected["masks"]
    assert rows == expected["samples"]


@pytest.mark.parametrize("name", CASES)
def test_scores_of_a_split_that_is_no_whole_number_of_batches(found, expected, name):
    for process in found(name):
        assert process["scores"] == pytest.approx(expected["scores"], rel=1e-6)


@pytest.mark.parametrize(("name", "rows"), [("2 x 2, data", 4), ("2 x 2, sharded", 4)])
def test_each_process_reads_only_what_its_devices_hold(found, name, rows):
    assert [len(process["samples"]) for process in found(name)] == [rows * measure.STEPS] * RUNS[name][0]

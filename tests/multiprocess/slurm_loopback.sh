#!/usr/bin/env bash
# Runs the shipped sbatch files on a real SLURM of two nodes on this machine, and checks that jobs are put into the
# queue again. By hand, as root of a container that may be thrown away:
#
#   apt-get install -y slurm-wlm munge
#   python -m data_prep synthetic treesatai_ts --out_dir=RAW --tiles=18 --s2_dates=20 --s1_dates=12
#   python -m data_prep treesatai_ts --raw_dir=RAW --out_dir=SHARDS
#   SHARDS=SHARDS PYTHON=.venv/bin/python tests/multiprocess/slurm_loopback.sh
#
# More tiles make longer runs. Needs the names of the nodes in /etc/hosts, and adds them. Takes 10 minutes, in half of
# which SLURM holds jobs back. Prints `ok` at the end; logs stay in the folder it names.
set -euo pipefail
cd "$(dirname "$0")/../.."
: "${SHARDS:?folder of prepared TreeSatAI-TS}"
export PYTHON="${PYTHON:-python}"
folder="$(mktemp -d)"
echo "logs: $folder"
export SLURM_CONF="$folder/slurm.conf"
launch=mmae_jax/launch

for node in mmae1 mmae2; do
  grep -q "$node" /etc/hosts || echo "127.0.0.1 $node" >>/etc/hosts
done
cat >"$SLURM_CONF" <<CONF
ClusterName=loopback
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CryptoType=crypto/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool-%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd-%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd-%n.log
SlurmctldPort=16817
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
MpiDefault=none
KillWait=30
SlurmdParameters=config_overrides
NodeName=mmae[1-2] NodeHostname=$(hostname) NodeAddr=127.0.0.1 Port=[17001-17002] CPUs=4 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF

stop() {
  scancel --user=root 2>/dev/null || true
  for file in "$folder"/*.pid; do
    kill "$(cat "$file")" 2>/dev/null || true
  done
}
trap stop EXIT

mkdir -p "$folder/state" "$folder/spool-mmae1" "$folder/spool-mmae2" /run/munge
chown munge /run/munge
runuser -u munge -- munged --pid-file="$folder.munged" 2>/dev/null || true
slurmctld
slurmd -N mmae1
slurmd -N mmae2
for _ in $(seq 30); do
  [ "$(sinfo --noheader --states=idle --format=%D | head -1)" = 2 ] && break
  sleep 1
done
sinfo

# What differs from a cluster of GPUs: the CPU, and programs compiled without optimisation.
export JAX_PLATFORMS=cpu JAX_COMPILATION_CACHE_DIR="$folder/compiled" JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0
export XLA_FLAGS="--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"

submit() { # file, workdir, flags of sbatch
  local file="$1" workdir="$2"
  shift 2
  sbatch --parsable --output="$folder/%x-%j.log" "$@" "$launch/$file" \
    --config=tests/multiprocess/pair_config.py --config.data.dir="$SHARDS" --workdir="$workdir"
}

field() { scontrol show job "$1" | sed -n "s/.*$2=\([^ ]*\).*/\1/p"; }

wait_for() { # job, state
  until [ "$(field "$1" JobState)" = "$2" ]; do
    case "$(field "$1" JobState)" in
    COMPLETED | FAILED | CANCELLED | TIMEOUT)
      scontrol show job "$1" && tail "$folder/mmae_jax-$1.log"
      exit 1
      ;;
    esac
    sleep 1
  done
}

wait_for_steps() { # job, workdir
  wait_for "$1" RUNNING
  until grep -q '"step": 6,' "$2/metrics.jsonl" 2>/dev/null; do
    wait_for "$1" RUNNING
    sleep 1
  done
}

wait_for_requeue() { # job; SLURM holds it back for two minutes
  until [ "$(field "$1" Restarts)" -ge 1 ]; do sleep 1; done
}

echo "== one process per node, SIGTERM in the middle"
job="$(submit slurm_nodes.sbatch "$folder/nodes" --nodes=2)"
wait_for_steps "$job" "$folder/nodes"
scancel --signal=TERM "$job"
wait_for_requeue "$job"

echo "== one process per GPU (here: two on each node), time limit in the middle"
other="$(submit slurm_gpus.sbatch "$folder/gpus" --nodes=2 --ntasks-per-node=2 --signal=TERM@120)"
wait_for_steps "$other" "$folder/gpus"
minutes="$(field "$other" RunTime | cut -d: -f2)"
scontrol update JobId="$other" TimeLimit=$((10#$minutes + 3))
wait_for_requeue "$other"
scontrol update JobId="$other" TimeLimit=60

wait_for "$job" COMPLETED
test -f "$folder/nodes/pretrain/result.json"
wait_for "$other" COMPLETED
test -f "$folder/gpus/pretrain/result.json"

echo "== the same run, undisturbed: the same numbers"
job="$(submit slurm_nodes.sbatch "$folder/undisturbed" --nodes=2)"
wait_for "$job" COMPLETED
cmp "$folder/nodes/metrics.jsonl" "$folder/undisturbed/metrics.jsonl"

echo "== a mistake ends the job, and is not queued again"
job="$(sbatch --parsable --output="$folder/%x-%j.log" --nodes=2 "$launch/slurm_nodes.sbatch" \
  --config=tests/multiprocess/pair_config.py --config.data.dir=nowhere --workdir="$folder/mistake")"
wait_for "$job" FAILED
test "$(field "$job" Restarts)" = 0
grep "error: data.dir: nowhere is not a folder" "$folder/mmae_jax-$job.log"

echo "== the shell of an allocation does not wait for others"
salloc --nodes=2 --ntasks-per-node=1 "$PYTHON" -c '
from mmae_jax.launch.cluster import find_cluster
assert find_cluster(None, None, None) is None'
echo ok

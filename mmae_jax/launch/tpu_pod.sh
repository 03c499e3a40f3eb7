#!/usr/bin/env bash
# All hosts of a TPU slice on Google Cloud, from a workstation, in a checkout of this repository:
#
#   TPU=pretraining ZONE=us-west4-a ACCELERATOR=v5litepod-256 RUNTIME=v2-alpha-tpuv5-lite \
#     mmae_jax/launch/tpu_pod.sh --config=configs/flair_hub.py --config.data.dir=gs://B/shards --workdir=gs://B/run
#
# Asks for the slice where there is none and waits for it, copies and installs the checkout on every host, and runs. A
# run that is told to end (exit code 75) goes on by itself; after the slice itself was taken away, the same command asks
# for another one and goes on. Set SPOT=--spot for a slice that may be. The queued resource is deleted by hand:
#   gcloud compute tpus queued-resources delete "$TPU" --zone="$ZONE" --force
set -euo pipefail
: "${TPU:?name of the slice}" "${ZONE:?its zone}"
cd "$(dirname "$0")/../.."

state() {
  gcloud compute tpus queued-resources describe "$TPU" --zone="$ZONE" --format='value(state.state)' 2>/dev/null || true
}

on_all_hosts() {
  gcloud compute tpus tpu-vm ssh "$TPU" --zone="$ZONE" --worker=all --command="$1"
}

if [ "$(state)" = SUSPENDED ] || [ "$(state)" = FAILED ]; then
  gcloud compute tpus queued-resources delete "$TPU" --zone="$ZONE" --quiet --force
fi
if [ -z "$(state)" ]; then
  # shellcheck disable=SC2086  # SPOT is no flag or one
  gcloud compute tpus queued-resources create "$TPU" --node-id="$TPU" --zone="$ZONE" ${SPOT:-} \
    --accelerator-type="${ACCELERATOR:?e.g. v5litepod-256}" --runtime-version="${RUNTIME:?e.g. v2-alpha-tpuv5-lite}"
fi
until [ "$(state)" = ACTIVE ]; do
  sleep 30
done

checkout="$(mktemp -d)"
trap 'rm -rf "$checkout"' EXIT
git archive --prefix=mmae_jax/ HEAD | tar -x -C "$checkout"
gcloud compute tpus tpu-vm scp --recurse "$checkout/mmae_jax" "$TPU:" --zone="$ZONE" --worker=all
on_all_hosts "python3 -m venv .venv && .venv/bin/pip install --quiet -e 'mmae_jax[tpu,gs]'"
on_all_hosts "cd mmae_jax && code=75 && while [ \$code -eq 75 ]; do
  code=0; ../.venv/bin/python -m mmae_jax train $(printf '%q ' "$@") || code=\$?
done; exit \$code"

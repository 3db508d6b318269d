#!/usr/bin/env bash
# Train on every GPU of one or more machines with torchrun.
#   training/torchrun.sh training/streaming.yaml corpus=PATH
# On several machines, run it on each with the same NODES, and HEAD the first one's address:
#   NODES=2 RANK=0 HEAD=10.0.0.1 training/torchrun.sh ...     (RANK=1 on the second)
set -euo pipefail

nodes=${NODES:-1}
gpus=${GPUS:-$({ nvidia-smi --list-gpus 2>/dev/null || true; } | wc -l)}
accelerator=gpu
if [ "$gpus" -eq 0 ]; then
  accelerator=cpu
  gpus=${PROCESSES:-2}
fi

exec torchrun \
  --nnodes="$nodes" --node-rank="${RANK:-0}" --nproc-per-node="$gpus" \
  --master-addr="${HEAD:-127.0.0.1}" --master-port="${PORT:-29500}" \
  --no-python turnkit train "$@" \
  trainer.accelerator="$accelerator" trainer.devices="$gpus" \
  trainer.num_nodes="$nodes" trainer.strategy=ddp

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Train with Slurm: [GPUS=8] tools/slurm_train.sh PARTITION JOB CONFIG [options of zoo train]
# GPUS: processes, 4 by default. GPUS_PER_NODE: of one machine, 0 to train on CPUs. CPUS_PER_TASK: 5.
# SRUN_ARGS: further words for srun.
set -euo pipefail

if [ $# -lt 3 ]; then
    echo "usage: [GPUS=N] [GPUS_PER_NODE=N] [CPUS_PER_TASK=N] [SRUN_ARGS=...]" \
        "$0 PARTITION JOB CONFIG [options of zoo train]" >&2
    exit 2
fi
partition=$1
job=$2
config=$3
_ZOO_STARTED_BY=$(printf '%q ' "$0" "$@")
export _ZOO_STARTED_BY
shift 3
gpus=${GPUS:-4}
per_node=${GPUS_PER_NODE:-$((gpus < 4 ? gpus : 4))}
cpus=${CPUS_PER_TASK:-5}
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$cpus}
read -r -a more <<<"${SRUN_ARGS:-}"
words=(--partition "$partition" --job-name "$job" --ntasks "$gpus" --cpus-per-task "$cpus")
if [ "$per_node" -gt 0 ]; then
    words+=(--gres "gpu:$per_node" --ntasks-per-node "$per_node")
fi
exec srun "${words[@]}" --kill-on-bad-exit=1 ${more[@]+"${more[@]}"} \
    "${PYTHON:-python}" -u "$(dirname "$0")/train.py" "$config" --launcher slurm "$@"

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Train in several processes of this machine: tools/dist_train.sh CONFIG PROCESSES [options of zoo train]
# Of several machines, each runs it with the variables NNODES, NODE_RANK, MASTER_ADDR and MASTER_PORT.
# MAX_RESTARTS=N starts the processes again, from the last checkpoint, up to N times if one of them ends.
set -euo pipefail
if [ $# -lt 2 ]; then
    echo "usage: tools/dist_train.sh CONFIG PROCESSES [options of zoo train]" >&2
    exit 2
fi
exec "${PYTHON:-python}" "$(dirname "$0")/launch.py" train "$@"

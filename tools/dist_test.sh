#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Test in several processes of this machine: tools/dist_test.sh CONFIG CHECKPOINT PROCESSES [options of zoo test]
# Of several machines, each runs it with the variables NNODES, NODE_RANK, MASTER_ADDR and MASTER_PORT.
set -euo pipefail
if [ $# -lt 3 ]; then
    echo "usage: tools/dist_test.sh CONFIG CHECKPOINT PROCESSES [options of zoo test]" >&2
    exit 2
fi
exec "${PYTHON:-python}" "$(dirname "$0")/launch.py" test "$@"

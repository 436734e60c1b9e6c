# SPDX-License-Identifier: Apache-2.0
"""What a launcher says to each process that it starts: its number, and how many there are."""

from __future__ import annotations

import os
from dataclasses import dataclass

from zoo.errors import TrainingError

__all__ = ["STARTED_BY", "Launched", "count_processes", "rank_in", "read_launched"]

STARTED_BY = "_ZOO_STARTED_BY"
"""The command line that a user typed, where a script starts the processes."""

# Number of the process, number of processes, number of the process among those of its machine.
_VARIABLES = {
    "pytorch": ("RANK", "WORLD_SIZE", "LOCAL_RANK"),
    "slurm": ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"),
    "mpi": ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"),
}
_STARTED_BY = {
    "pytorch": "`tools/dist_train.sh CONFIG N` starts N processes",
    "slurm": "`tools/slurm_train.sh PARTITION JOB CONFIG` starts them with srun",
    "mpi": "start them with mpirun",
}
_PORT = 29500  # torch's own
_FIRST_PORT, _PORTS = 20_000, 10_000  # for Slurm, below those that Linux gives to clients
_LOCALHOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Launched:
    """One process of a run.

    Attributes:
        rank: Its number, from 0.
        count: Number of processes.
        address: Machine of the first process.
        port: Where the first process, or its launcher, listens.
    """

    rank: int
    count: int
    address: str
    port: int


def count_processes(launcher: str) -> int:
    """Return the number of processes that a launcher has started for this run.

    Args:
        launcher: ``none``, ``pytorch``, ``slurm`` or ``mpi``.
    """
    return _number(_VARIABLES[launcher][1], 1) if launcher in _VARIABLES else 1


def rank_in(launcher: str) -> int:
    """Return the number of this process in its run, from 0.

    Args:
        launcher: As for `count_processes`.
    """
    return _number(_VARIABLES[launcher][0], 0) if launcher in _VARIABLES else 0


def read_launched(launcher: str) -> Launched:
    """Read what the launcher says, and set torch's variables where it has others.

    Args:
        launcher: ``pytorch``, ``slurm`` or ``mpi``.

    Raises:
        TrainingError: No such launcher has started this process.
    """
    lacking = [
        name for name in _VARIABLES[launcher][:2] if not os.environ.get(name, "").isdecimal()
    ]
    if lacking:
        message = f"cannot start with --launcher {launcher}: {lacking[0]} is not set, expected the "
        message += "number that the launcher gives to each process."
        hint = f"{_STARTED_BY[launcher]}; for one process, leave --launcher out."
        raise TrainingError(message, where="--launcher", hint=hint)
    rank, count = rank_in(launcher), count_processes(launcher)
    local = _number(_VARIABLES[launcher][2], rank)
    if launcher != "pytorch":
        os.environ.update(RANK=str(rank), WORLD_SIZE=str(count), LOCAL_RANK=str(local))
    is_slurm = launcher == "slurm"
    address = os.environ.get("MASTER_ADDR") or (_first_machine() if is_slurm else _LOCALHOST)
    port = _number("MASTER_PORT", _port_of_job() if is_slurm else _PORT)
    os.environ.update(MASTER_ADDR=address, MASTER_PORT=str(port))
    return Launched(rank, count, address, port)


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else default


def _port_of_job() -> int:
    """Return a port that two jobs on one machine hardly share, the same in all processes of one."""
    job = os.environ.get("SLURM_JOB_ID", "")
    return _FIRST_PORT + int(job) % _PORTS if job.isdecimal() else _PORT


def _first_machine() -> str:
    """Return the machine of Slurm's first process."""
    nodes = os.environ.get("SLURM_STEP_NODELIST") or os.environ.get("SLURM_NODELIST") or ""
    if _number("SLURM_NNODES", 1) == 1 or not nodes:
        return _LOCALHOST
    import subprocess  # not for a listing

    try:
        words = ["scontrol", "show", "hostnames", nodes]
        done = subprocess.run(  # noqa: S603 - Slurm's own program and list of machines
            words, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout.split()[0]
    except (OSError, subprocess.SubprocessError, IndexError) as error:
        message = f"cannot find the first machine of {nodes!r}: scontrol does not answer."
        hint = "set MASTER_ADDR to its name."
        raise TrainingError(message, where="SLURM_NODELIST", hint=hint) from error

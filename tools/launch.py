# SPDX-License-Identifier: Apache-2.0
"""Start several processes with torchrun, and say in one message what ended them.

    python tools/launch.py train CONFIG PROCESSES [options of zoo train]
    python tools/launch.py test CONFIG CHECKPOINT PROCESSES [options of zoo test]

`tools/dist_train.sh` and `tools/dist_test.sh` call it. torchrun alone prints a page about each
process that fails; here the process that failed first has told what it was. A machine alone chooses
a free port by itself.
"""

from __future__ import annotations

import errno
import logging
import os
import shlex
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from zoo.engine.processes.launched import STARTED_BY
from zoo.engine.threads.cores import find_cores
from zoo.engine.threads.defaults import stated

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

FOLDER = Path(__file__).resolve().parent
# The positional words of a command; the number of processes is the last.
FIRST = {"train": ("CONFIG",), "test": ("CONFIG", "CHECKPOINT")}
PORT = "29500"  # where several machines meet, if MASTER_PORT does not say it
GRACE_S = "25"  # that a stopped process has for its step and its checkpoint
SIGNALS = "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1"


def main() -> None:
    """Start the processes, wait for them, and exit as they do."""
    kind, *words = sys.argv[1:]
    names = (*FIRST[kind], "PROCESSES")
    if len(words) < len(names) or not words[len(names) - 1].isdecimal():
        fail(f"usage: tools/dist_{kind}.sh {' '.join(names)} [options of zoo {kind}]", code=2)
    first, count = words[: len(names) - 1], int(words[len(names) - 1])
    if count < 1:
        fail("error: cannot start 0 processes.\nHINT: give their number, such as 2.", code=2)
    os.environ[STARTED_BY] = shlex.join([f"tools/dist_{kind}.sh", *words])
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    # Else processes that start again find the notes of the first attempt, such as addresses.
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", GRACE_S)
    if stated("OMP_NUM_THREADS") is None:
        os.environ["OMP_NUM_THREADS"] = str(max(1, find_cores().usable // count))
    launch = [*meeting_words(), "--nproc-per-node", str(count), "--signals-to-handle", SIGNALS]
    launch += ["--max-restarts", os.environ.get("MAX_RESTARTS", "0")]
    script = [str(FOLDER / f"{kind}.py"), *first, "--launcher", "pytorch"]
    sys.exit(run([*launch, *script, *words[len(names) :]], count))


def meeting_words() -> list[str]:
    """Return torchrun's options that say where the processes meet."""
    nodes, rank = os.environ.get("NNODES", "1"), os.environ.get("NODE_RANK", "0")
    address = os.environ.get("MASTER_ADDR", "127.0.0.1")
    port = os.environ.get("MASTER_PORT") or os.environ.get("PORT")
    if nodes == "1" and port is None:
        return ["--standalone", "--local-addr", "127.0.0.1"]
    port = port or PORT
    if rank == "0":
        check_port(port, alone=nodes == "1")
    if os.environ.get("MAX_RESTARTS", "0") == "0":
        words = ["--nnodes", nodes, "--node-rank", rank]
        return [*words, "--master-addr", address, "--master-port", port]
    # Only this way of meeting tells the other machines of a restart; it numbers them itself.
    words = ["--nnodes", nodes, "--rdzv-backend", "c10d", "--rdzv-endpoint", f"{address}:{port}"]
    return [*words, "--rdzv-id", "zoo", "--rdzv-conf", f"is_host={int(rank == '0')}"]


def check_port(port: str, *, alone: bool) -> None:
    """Exit with a message if nobody can listen at a port.

    Args:
        port: Its number.
        alone: Whether one machine trains alone.
    """
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("", int(port)))
    except (ValueError, OverflowError):
        fail(f"error: cannot listen at port {port!r}.\nHINT: set MASTER_PORT to a number.", code=2)
    except OSError as error:
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"is refused: {error.strerror}"
        hint = "set MASTER_PORT to a free one"
        hint += ", or leave it out: one machine finds one itself" if alone else " on all machines"
        fail(f"error: cannot start: port {port} of this machine {reason}.\nHINT: {hint}.", code=1)


def run(words: list[str], count: int) -> int:
    """Run torchrun and return the exit code.

    Args:
        words: Its words.
        count: Processes on this machine.
    """
    from torch.distributed import run as torchrun
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    logging.disable(logging.CRITICAL)  # of this process; it has nothing to say but what follows
    try:
        torchrun.run(torchrun.parse_args(words))
    except ChildFailedError as error:
        return tell_first(error.failures)
    except SignalException as error:
        return 128 + int(error.sigval)
    except RuntimeError as error:  # torch.distributed.DistError and its kinds
        text = " ".join(str(error).split())
        fail(f"error: cannot start {count} processes: {text}\nHINT: {where_to_look()}", code=1)
    return 0


def tell_first(failures: Mapping[int, ProcessFailure]) -> int:
    """Tell of a process that a signal has ended before any other ended, and return the exit code.

    torchrun ends the others itself, by SIGTERM, and by SIGKILL after a while.

    Args:
        failures: By the number of the process; one that exits by itself has told why.
    """
    first_s = min(failure.timestamp for failure in failures.values())
    first = {rank: one.exitcode for rank, one in failures.items() if one.timestamp <= first_s}
    killed = {rank: -code for rank, code in first.items() if code < 0}
    others = {rank: number for rank, number in killed.items() if number != signal.SIGTERM}
    exits = [one.exitcode for one in failures.values() if one.exitcode > 0]
    told = others or ({} if exits else killed)
    for rank, number in sorted(told.items())[:1]:
        tell_killed(rank, number)
    return 1 if told or not exits else exits[0]


def tell_killed(rank: int, number: int) -> None:
    """Say that a process has ended without a word of its own.

    Args:
        rank: Its number in the run.
        number: The signal.
    """
    text = f"error: cannot go on: {signal.Signals(number).name} ended process {rank} of the run."
    hint = "the system sends SIGKILL where memory runs out. Continue with --resume"
    print(f"{text}\nHINT: {hint}, or set MAX_RESTARTS=3 to do so by itself.", file=sys.stderr)


def where_to_look() -> str:
    """Return what to check when machines do not find each other."""
    return "set NNODES, MASTER_ADDR and MASTER_PORT alike on all machines, NODE_RANK on each."


def fail(text: str, *, code: int) -> NoReturn:
    """Print a message and exit.

    Args:
        text: The message.
        code: The exit code.
    """
    print(text, file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()

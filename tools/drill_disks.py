# SPDX-License-Identifier: Apache-2.0
"""Drills of downloads to disks that fill up, and to folders that cannot be written."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from drilling import SIZE, Drill, asked, ended, is_right, slowly

__all__ = ["drill_full_disk", "drill_read_only", "drill_small_disk", "small_disk"]

LIMIT = 400_000  # bytes, size limit of files


def drill_full_disk(drill: Drill) -> None:
    """Limit the size of files, as a quota does, then remove the limit.

    Args:
        drill: The drill.
    """
    target, data = drill.file("full")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))

    code, told = ended(drill.start(target, data, "full", before=limit))
    seen = target.exists()
    again, _ = ended(drill.start(target, data, "full"))
    start = asked(drill, "full")[-1].start
    held = code == 1 and "HINT: free some space" in told and not seen
    outcome = f"exit {code}, nothing under the final name; with space again, resumed at {start:,}"
    held = held and again == 0 and is_right(target, data) and start == LIMIT
    drill.row("the file size limit is reached", outcome, held=held)


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[Path | None]:
    """Yield the folder of a small disk, or None if mounting is not permitted.

    It is a tmpfs in the mount namespace of a separate process, accessed through that process.

    Args:
        folder: Mount point.
        size_bytes: Size of the disk.
    """
    folder.mkdir()
    mounts = 'mount -t tmpfs -o "size=$0" tmpfs "$1" && echo ready && exec cat'
    words = ["unshare", "--map-root-user", "--mount", "sh", "-c", mounts, str(size_bytes)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    try:
        holder = subprocess.Popen([*words, str(folder)], text=True, **pipes)  # type: ignore[call-overload]
    except OSError:
        yield None
        return
    with holder:
        is_mounted = holder.stdout.readline() == "ready\n"
        yield Path(f"/proc/{holder.pid}/root{folder.resolve()}") if is_mounted else None


def drill_small_disk(drill: Drill) -> None:
    """Fill a real disk during a download, then free it.

    Args:
        drill: The drill.
    """
    _, data = drill.file("disk")
    drill.server.faults["/disk"] = [slowly]
    with small_disk(drill.folder / "disk", 2 * SIZE) as disk:
        if disk is None:
            print("| a small disk fills up | cannot mount a tmpfs here | skipped |")
            return
        target, other = disk / "disk.safetensors", disk / "other"
        part = target.with_name(f"{target.name}.part")
        process = drill.start(target, data, "disk")
        while process.poll() is None and not (part.exists() and part.stat().st_size > SIZE // 4):
            time.sleep(0.01)
        with suppress(OSError), other.open("wb", buffering=0) as stream:
            while stream.write(bytes(4096)):
                pass
        codes, told = zip(
            *[ended(each) for each in (process, drill.start(target, data, "disk"))], strict=True
        )
        kept, requests = part.stat().st_size, len(asked(drill, "disk"))
        other.unlink()
        again, _ = ended(drill.start(target, data, "disk"))
        start, left = asked(drill, "disk")[-1].start, os.listdir(disk)
        held = codes == (1, 1) and "HINT: free some space" in told[0] and "MB left" in told[1]
        held = held and requests == 1 and again == 0 and is_right(target, data)
    outcome = f"exit {codes[0]}; while it was full exit {codes[1]} without a request; "
    outcome += f"with space again, resumed at {start:,}"
    held = held and 0 < start == kept and left == [target.name]
    drill.row("a small disk fills up", outcome, held=held)


def drill_read_only(drill: Drill) -> None:
    """Use a read-only cache: existing files are used, others are refused.

    Args:
        drill: The drill.
    """
    target, data = drill.file("shared")
    ended(drill.start(target, data, "shared"))
    target.parent.chmod(0o555)
    there, _ = ended(drill.start(target, data, "shared", before=obey_rights))
    other = target.with_name("other.safetensors")
    absent, told = ended(drill.start(other, data, "shared", before=obey_rights))
    target.parent.chmod(0o755)
    held = (
        absent == 1 and "Permission denied" in told and os.listdir(target.parent) == [target.name]
    )
    outcome = f"exit {there} for files that are there, exit {absent} with one message for others"
    drill.row("the cache is read-only", outcome, held=held and there == 0)


def obey_rights() -> None:
    """Drop root's capabilities to ignore file permissions."""
    if os.geteuid() == 0:
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP

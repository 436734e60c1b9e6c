# SPDX-License-Identifier: Apache-2.0
"""Kill the own process at a chosen write, flush, renaming or removal of a file."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["KillAtWrite"]


@dataclass
class KillAtWrite:
    """Kills this process at the n-th event on a file of the work dir.

    Attributes:
        folder: The work dir.
        left: Events that are still allowed.
        is_torn: Whether to kill in the middle of a write, rather than before an event.
    """

    folder: Path
    left: int
    is_torn: bool = False
    seen: int = 0

    def install(self) -> None:
        """Watch this process from now on; an audit hook cannot be removed."""
        self._pid, write, fsync = os.getpid(), _write_of_streams(), os.fsync
        sys.addaudithook(self._audit)

        def counted(handle: int) -> None:
            self._count()
            fsync(handle)

        os.fsync = counted  # type: ignore[assignment]
        if self.is_torn:
            self._tear(write)

    def _tear(self, noting: Any) -> None:
        write = noting.write

        def torn(stream: Any, data: bytes) -> int:
            if self.left <= 1 and len(data) > 1:
                write(stream, bytes(data)[: len(data) // 2])
                stream.flush()
            self._count()
            return int(write(stream, data))

        noting.write = torn

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if event not in ("open", "os.rename", "os.remove") or os.getpid() != self._pid:
            return
        is_write = event != "open" or (isinstance(args[2], int) and args[2] & os.O_WRONLY)
        if is_write and not self.is_torn and str(self.folder) in str(args[0]):
            self._count()

    def _count(self) -> None:
        if os.getpid() != self._pid:
            return
        self.seen += 1
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)


def _write_of_streams() -> Any:
    """Return the class through which checkpoints are written, record by record."""
    from zoo.engine.resuming import safe_saving

    return safe_saving._Noting

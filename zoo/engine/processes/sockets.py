# SPDX-License-Identifier: Apache-2.0
"""A short folder for multiprocessing's sockets, whose paths may have about a hundred characters.

Data workers and the processes of a check hand over open files through sockets, in a folder that
`multiprocessing` makes where temporary files go. A job of a cluster may name a long folder in
``TMPDIR``: then the sockets go to a short one, and nothing else does.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence

from zoo.errors import ZooError

__all__ = ["shorten_socket_paths"]

_MOST_BYTES = 107 if sys.platform.startswith("linux") else 103
"""Of a socket's path: ``sun_path`` of the system, without the NUL at its end."""
_OWN_BYTES = len("/pymp-12345678/listener-12345678")
_SHORT = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - a folder is made in it, as tempfile does


def shorten_socket_paths(folders: Sequence[str] = _SHORT) -> None:
    """Let multiprocessing make its sockets in a short folder, where TMPDIR names a long one.

    Call it before the first process starts: multiprocessing chooses its folder once, and processes
    that it starts share it.

    Args:
        folders: Where to look for one that can be written, in this order.

    Raises:
        ZooError: There is none.
    """
    named = tempfile.gettempdir()
    most = _MOST_BYTES - _OWN_BYTES
    if os.name != "posix" or len(os.fsencode(named)) <= most:
        return
    from multiprocessing.util import get_temp_dir

    before = tempfile.tempdir
    for folder in (each for each in folders if len(os.fsencode(each)) <= most):
        tempfile.tempdir = folder
        try:
            get_temp_dir()
        except OSError:  # it cannot be written
            continue
        finally:
            tempfile.tempdir = before
        return
    length = len(os.fsencode(named))
    message = f"cannot start processes: the folder for temporary files has a path of {length} "
    message += f"bytes, expected at most {most}, for their sockets."
    hint = "export TMPDIR=FOLDER, with a short path that you may write to."
    raise ZooError(message, where=named, hint=hint)

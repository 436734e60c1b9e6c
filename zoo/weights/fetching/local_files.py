# SPDX-License-Identifier: Apache-2.0
"""Open the file of a file address for reading."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from zoo.weights.fetching.addresses import is_of_this_machine, local_path
from zoo.weights.fetching.setbacks import Setback

__all__ = ["open_local"]


@contextmanager
def open_local(address: str) -> Iterator[BinaryIO]:
    """Open the file of a file address for reading.

    Args:
        address: A ``file:`` URL.

    Raises:
        Setback: It is not a regular file of this machine, or cannot be read.
    """
    if not is_of_this_machine(address):
        raise Setback(reason="names another host, expected file:/// and a path of this machine")
    try:
        with _open_regular(local_path(address)) as stream:
            yield stream
    except FileNotFoundError:
        reason = "not found"
        raise Setback(reason=reason, is_absent=True) from None
    except OSError as error:
        raise Setback(reason=f"cannot be read ({error.strerror or error})") from error
    except ValueError as error:  # a percent-encoded zero byte
        raise Setback(reason=f"cannot be read ({error})") from error


def _open_regular(path: Path) -> BinaryIO:
    """Open a regular file without blocking; a pipe or a device would never end."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        reason = "is a pipe, a device or a folder, expected a file"
        raise Setback(reason=reason)
    return os.fdopen(descriptor, "rb")

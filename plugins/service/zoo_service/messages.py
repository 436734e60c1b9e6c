# SPDX-License-Identifier: Apache-2.0
"""Messages between processes: JSON, and bytes behind it. Nothing is pickled."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

__all__ = ["receive", "send"]

_LENGTH = struct.Struct(">I")


def send(connection: Connection, head: Mapping[str, Any], body: bytes = b"") -> None:
    """Send a message.

    Args:
        connection: The way to another process.
        head: JSON values.
        body: Bytes.

    Raises:
        OSError: The other process has ended.
    """
    text = json.dumps(head).encode()
    connection.send_bytes(_LENGTH.pack(len(text)) + text + body)


def receive(connection: Connection) -> tuple[dict[str, Any], bytes]:
    """Return the next message: its JSON values, and its bytes.

    Args:
        connection: The way to another process.

    Raises:
        EOFError: The other process has ended.
        OSError: It has ended in the middle of a message.
    """
    data = memoryview(connection.recv_bytes())
    (length,) = _LENGTH.unpack_from(data)
    start = _LENGTH.size + length
    return json.loads(bytes(data[_LENGTH.size : start])), bytes(data[start:])

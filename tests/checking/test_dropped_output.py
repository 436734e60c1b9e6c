# SPDX-License-Identifier: Apache-2.0
"""What a plugin prints while it is checked is dropped: it may print without end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from zoo.checking.isolation import child

SIZE_BYTES = 2**22


def test_what_a_case_prints_fills_no_disk(tmp_path: Path) -> None:
    """On both streams, from Python and from beneath it, in a process of its own as a case is."""
    code = f"""
import os, sys, {child.__name__} as child
child._drop_output()
for stream in (sys.stdout, sys.stderr):
    stream.write("x" * {SIZE_BYTES})
    stream.flush()
    os.write(stream.fileno(), b"y" * 1000)
sys.exit(7)
"""

    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (7, b"", b"")
    assert list(tmp_path.rglob("*")) == []

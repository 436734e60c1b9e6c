#!/usr/bin/env python
# SPDX-License-Identifier: Apache-2.0
"""Build the site of ``docs/`` into a folder: static files that need no server and no network.

    python tools/docs_site.py [--out build/site] [--root .]

A warning, such as of a link that leads nowhere, is an error. ``index.html`` in the folder starts.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url=README.html">
<title>zoo</title>
<a href="README.html">zoo</a>
</html>
"""


def build(out: Path, root: Path) -> int:
    """Build the site, and return the exit code of Sphinx.

    Args:
        out: Folder to write; what is in it is replaced.
        root: The checkout whose pages are built.
    """
    if (out / "searchindex.js").is_file():
        shutil.rmtree(out)  # pages that are gone from the docs
    places = ["-c", str(root / "docs"), "-d", str(out.with_name(f"{out.name}.doctrees"))]
    strict = ["-b", "html", "-E", "-W", "--keep-going", "-q"]
    command = [sys.executable, "-m", "sphinx", *places, *strict, str(root), str(out)]
    done = subprocess.run(command, check=False)
    if done.returncode == 0:
        (out / "index.html").write_text(START, encoding="utf-8")
    return done.returncode


def main(words: Sequence[str] | None = None) -> int:
    """Build the site; 1 if a page warns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "site", help="folder to write")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout of the pages")
    args = parser.parse_args(words)
    out = args.out.resolve()
    code = build(out, args.root.resolve())
    if code == 0:
        sys.stdout.write(f"wrote {out / 'index.html'}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())

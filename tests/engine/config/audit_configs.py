# SPDX-License-Identifier: Apache-2.0
"""Read each config that is named, under an audit hook, and print what happened in which order.

Usage: ``python audit_configs.py FOLDER CONFIG...``; one JSON line a config: ``refused`` (the error
or None) and ``events``, of which each is ``["named", file]`` or ``["ran", name of a canary]``.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from pathlib import Path

from zoo.engine.config_files.files import parse_config_file
from zoo.errors import ConfigError

EVENTS: list[list[str]] = []
_NAMED = re.compile(r"(?:running|using) the config (.+): it ")


class _Names(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        found = _NAMED.match(record.getMessage())
        if found:
            EVENTS.append(["named", Path(found[1]).resolve().name])


def watch(folder: Path) -> None:
    """Note each command that is started, and each file that is opened for writing."""

    def hook(event: str, args: tuple[object, ...]) -> None:
        if event in ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn"):
            EVENTS.append(["ran", str(args[0])])
        if event == "open" and isinstance(args[0], str) and args[0].startswith(f"{folder}/ran-"):
            EVENTS.append(["ran", Path(args[0]).name.removeprefix("ran-")])

    sys.addaudithook(hook)


def main() -> None:
    """Read the configs in turn."""
    folder = Path(sys.argv[1]).resolve()
    logging.getLogger("zoo").addHandler(_Names())
    watch(folder)
    for name in sys.argv[2:]:
        EVENTS.clear()
        refused = None
        try:
            parse_config_file(Path(name))
        except ConfigError as error:
            refused = str(error)
        row = {"config": name, "refused": refused, "events": EVENTS}
        sys.stdout.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()

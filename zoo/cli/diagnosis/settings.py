# SPDX-License-Identifier: Apache-2.0
"""Where weights come from: ``zoo.lock``, mirrors, the hub, and sources of third parties."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from zoo.cli.diagnosis.finding import Finding
from zoo.cli.diagnosis.mend import Mend, line_of, shown
from zoo.errors import DownloadError, SourceError
from zoo.texts import counted

__all__ = ["setting_findings"]


def setting_findings() -> Iterator[Finding]:
    """Yield what the lock, the variables about the network, and each source are good for."""
    yield from _lock()
    yield from _network()
    yield from _sources()


def _lock() -> Iterator[Finding]:
    from zoo.weights.lock import lock_file, read_pins
    from zoo.weights.lock_file.team import read_configs, read_plugins

    try:
        file = lock_file()
        if not file.exists() and not file.is_symlink():
            return
        rows = len(read_pins()) + len(read_plugins(file)) + len(read_configs(file))
    except DownloadError as error:
        yield _refused("zoo.lock", error)
        return
    yield Finding("zoo.lock", "ok", f"{file}, {counted(rows, 'row')}")


def _network() -> Iterator[Finding]:
    from zoo.weights.fetching.addresses import is_offline, user_mirrors
    from zoo.weights.hub.endpoint import hub_endpoint, hub_token

    checks: dict[str, Callable[[], Any]] = {
        "ZOO_MIRRORS": user_mirrors,
        "HF_ENDPOINT": hub_endpoint,
        "HF_TOKEN": hub_token,
    }
    for name, check in checks.items():
        try:
            check()
        except DownloadError as error:
            line = "" if name == "HF_TOKEN" else f"unset {name}, or correct it"
            yield _refused(name, error, line)
    if is_offline():
        yield Finding("network", "ok", "off by ZOO_OFFLINE: only files of this machine are used")


def _refused(name: str, error: DownloadError, line: str = "") -> Finding:
    found = f"{error.message} ({error.where})" if error.where else error.message
    hint = line or (error.hint or "").rstrip(".")
    return Finding(name, "broken", " ".join(found.split()), shown(hint) if hint else None)


def _sources() -> Iterator[Finding]:
    """Yield the state of the index of each source of weights that the user has added."""
    from zoo.weights.sources.book import read_book

    try:
        sources = read_book().values()
    except SourceError as error:
        yield Finding("sources", "broken", error.message, shown((error.hint or "").rstrip(".")))
        return
    for source in sources:
        found = f"{source.rows:,} {'row' if source.rows == 1 else 'rows'}"
        if not source.marks:
            yield Finding(f"source {source.name}", "ok", found)
            continue
        mend = _update(source.name) if source.is_expired else None
        marks = ", ".join(source.marks)
        yield Finding(f"source {source.name}", "warning", f"{found}, {marks}", mend)


def _update(name: str) -> Mend:
    import sys

    words = ("source", "update", name)
    return Mend(line_of(("zoo", *words)), ((sys.executable, "-m", "zoo", *words),))

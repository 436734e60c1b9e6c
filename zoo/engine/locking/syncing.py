# SPDX-License-Identifier: Apache-2.0
"""``zoo sync``: bring this machine to what ``zoo.lock`` states, and say what differs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from zoo.catalog import PluginRecord, read_catalog
from zoo.engine.adoption.adopting import Way
from zoo.engine.adoption.obtaining import obtain_weights
from zoo.engine.locking.config_digests import describe_config
from zoo.engine.locking.locking import add_to_lock, read_rows
from zoo.engine.locking.plugin_digests import describe_plugin
from zoo.engine.locking.wanted import Rows, Wanted, call_of, describe_all
from zoo.errors import DownloadError, UnknownNameError, ZooError
from zoo.manifest.rows import LivingRow, WeightsRow
from zoo.weights import find_weights, local_files
from zoo.weights.lock import Pin, lock_file
from zoo.weights.lock_file.team import LockedConfig, LockedPlugin
from zoo.weights.sources.choosing import find_row

__all__ = ["State", "sync"]


@dataclass(frozen=True, slots=True)
class State:
    """One row of the lock, compared with this machine.

    Attributes:
        kind: ``plugin``, ``config`` or ``weights``.
        name: Its name.
        state: ``ok``, ``fetched``, ``locked`` (added to the lock), ``missing``, ``differs``, or
            ``not locked``.
        found: What differs, or None.
        fix: The command that fixes it, or None.
    """

    kind: str
    name: str
    state: str
    found: str | None = None
    fix: str | None = None

    @property
    def holds(self) -> bool:
        """Return whether this machine is as the lock states."""
        return self.state in ("ok", "fetched", "locked")


def sync(
    way: Way, *, frozen: bool = False, tell: Callable[[State], None] | None = None
) -> list[State]:
    """Fetch and convert the weights of the lock that are not here, and compare everything.

    Args:
        way: Where files may come from.
        frozen: Whether the lock must hold everything already; else what its rows need, and it
            lacks, is added.
        tell: Called with each state once it is known.

    Returns:
        One state for each row of the lock, and for each that it lacks.

    Raises:
        DownloadError: There is no lock file, or it cannot be read or written.
    """
    file = lock_file()
    if not file.is_file():
        message = f"cannot sync: there is no {file.name}."
        hint = "zoo lock writes one; ZOO_LOCK names another."
        raise DownloadError(message, where=file, hint=hint)
    rows = read_rows(file)
    states: list[State] = []
    for state in _states(rows, file, way):
        states.append(state)
        if tell is not None:
            tell(state)
    for state in _lacking(rows, states, file, way, frozen=frozen):
        states.append(state)
        if tell is not None:
            tell(state)
    return states


def _states(rows: Rows, file: Path, way: Way) -> Iterator[State]:
    for plugin in rows.plugins.values():
        yield _plugin_state(plugin)
    for config in rows.configs.values():
        yield _config_state(config, file.parent)
    for pin in rows.weights.values():
        try:
            yield _weights_state(pin, way)
        except ZooError as error:
            found = error.message.partition("\n")[0]
            owner = rows.plugins.get(pin.plugin)
            is_absent = isinstance(error, UnknownNameError)
            fix = _install(owner) if is_absent and owner is not None else error.hint
            yield State("weights", pin.name, "missing", found, fix)


def _install(row: LockedPlugin) -> str:
    return f'pip install "mmzoo-{row.name.replace("_", "-")}=={row.version}"'


def _plugin_state(row: LockedPlugin) -> State:
    install = _install(row)
    records = [record for record in read_catalog().plugins if record.name == row.name]
    if not records:
        return State("plugin", row.name, "missing", f"version {row.version} is locked", install)
    try:
        found = describe_plugin(records[0])
    except ZooError as error:
        return State("plugin", row.name, "missing", error.message, error.hint)
    if found == row:
        return State("plugin", row.name, "ok")
    if found.version != row.version:
        text = f"version {found.version} is here, {row.version} is locked"
        return State("plugin", row.name, "differs", text, install)
    part = "manifest" if found.manifest_sha256 != row.manifest_sha256 else "files"
    text = f"version {row.version}, but its {part} differ{'s' * (part == 'manifest')}"
    return State("plugin", row.name, "differs", text, _reinstall(records[0], install))


def _reinstall(record: PluginRecord, install: str) -> str:
    """Return how to get the locked files of a plugin, or to take those that are here."""
    if record.is_importable:
        return install.replace("install ", "install --force-reinstall --no-deps ", 1)
    return f"zoo lock {record.name}"


def _config_state(row: LockedConfig, folder: Path) -> State:
    try:
        found = describe_config(row.name, folder).row
    except UnknownNameError as error:
        return State("config", row.name, "missing", error.message, error.hint)
    except ZooError as error:
        return State("config", row.name, "differs", error.message, error.hint)
    if found == row:
        return State("config", row.name, "ok")
    text = "its content, with all bases, is not the one that is locked"
    return State("config", row.name, "differs", text, f"zoo lock {row.name}")


def _weights_state(pin: Pin, way: Way) -> State:
    name = call_of(pin)
    found = find_weights(name)
    other = _other_bytes(name, found.row, pin)
    if other is not None:
        text = f"plugin {found.record.name} lists the sha256 {other[:12]}..., not the locked one"
        return State("weights", pin.name, "differs", text, f"zoo lock {name}")
    is_here = next(local_files(found), None) is not None
    obtain_weights(name, way)
    return State("weights", pin.name, "ok" if is_here else "fetched")


def _other_bytes(name: str, row: object, pin: Pin) -> str | None:
    """Return the digest that a row states, if it contradicts the pin."""
    if isinstance(row, WeightsRow) and row.sha256 != pin.sha256:
        return row.sha256
    try:
        listed = find_row(name, read_catalog()).row
    except UnknownNameError:  # a legacy name
        return None
    is_living = isinstance(listed, LivingRow) and listed.digest.kind.startswith("sha256")
    if is_living and not pin.source_sha256.startswith(listed.digest.value):  # type: ignore[union-attr]
        return listed.digest.value  # type: ignore[union-attr]
    return None


def _lacking(
    rows: Rows, states: list[State], file: Path, way: Way, *, frozen: bool
) -> Iterator[State]:
    """Yield what the rows that are here need and the lock lacks; add it unless ``frozen``."""
    here = {(state.kind, state.name) for state in states if state.holds}
    wanted = Wanted(
        weights=[call_of(pin) for pin in rows.weights.values() if ("weights", pin.name) in here],
        configs=[name for name in rows.configs if ("config", name) in here],
    )
    needed = describe_all(wanted, file.parent, way)
    lacking = Rows(
        configs={name: row for name, row in needed.configs.items() if name not in rows.configs},
        plugins={name: row for name, row in needed.plugins.items() if name not in rows.plugins},
    )
    if not frozen and (lacking.configs or lacking.plugins):
        add_to_lock(file, lacking)
    state, fix = ("not locked", "zoo lock") if frozen else ("locked", None)
    for name in lacking.configs:
        yield State("config", name, state, "weights of the lock need it", fix)
    for name in lacking.plugins:
        yield State("plugin", name, state, "rows of the lock need it", fix)

# SPDX-License-Identifier: Apache-2.0
"""What a lock is to hold: the named weights, configs and plugins, and what these need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zoo.catalog import SOURCE, Found, read_catalog
from zoo.engine.adoption.adopting import Way
from zoo.engine.adoption.obtaining import obtain_weights
from zoo.engine.config_files.files import find_config_file
from zoo.engine.locking.config_digests import describe_config, is_config, locked_name
from zoo.engine.locking.plugin_digests import describe_plugin
from zoo.errors import UnknownNameError
from zoo.manifest.rows import LivingRow, WeightsRow
from zoo.weights import find_weights
from zoo.weights.fetching.addresses import shown_address
from zoo.weights.files import find_place
from zoo.weights.lock import Pin, find_pin
from zoo.weights.lock_file.team import LockedConfig, LockedPlugin

__all__ = ["Rows", "Wanted", "call_of", "describe_all", "find_wanted", "here_now"]


@dataclass(slots=True)
class Wanted:
    """Names of what a lock is to hold.

    Attributes:
        weights: Names as `find_weights` takes them.
        configs: Names as `locked_name` returns them.
        plugins: Names of plugins.
    """

    weights: list[str] = field(default_factory=list)
    configs: list[str] = field(default_factory=list)
    plugins: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Rows:
    """What a lock is to hold, as its rows, by name."""

    weights: dict[str, Pin] = field(default_factory=dict)
    configs: dict[str, LockedConfig] = field(default_factory=dict)
    plugins: dict[str, LockedPlugin] = field(default_factory=dict)


def call_of(pin: Pin) -> str:
    """Return the name by which `find_weights` finds the weights of a pin.

    Args:
        pin: A row of the lock.
    """
    if pin.name.startswith(f"{pin.plugin}/"):  # of a source
        return pin.name
    plugins = [record.name for record in read_catalog().plugins]
    return f"{pin.plugin}{'.' if pin.plugin in plugins else '/'}{pin.name}"


def find_wanted(names: Iterable[str], lock_folder: Path) -> Wanted:
    """Return what names mean; a name of weights, a config and a plugin means each of them.

    Args:
        names: Names of weights, configs or plugins, and paths of configs.
        lock_folder: Folder of the lock file.

    Raises:
        UnknownNameError: Nothing has a name; near ones are offered.
        ConfigError: A config is outside the folder of the lock.
        PluginError: The plugin of a name cannot be used.
    """
    wanted = Wanted()
    for name in names:
        is_plugin = any(record.name == name for record in read_catalog().plugins)
        if is_plugin:
            wanted.plugins.append(read_catalog().plugin(name).name)
        is_named = is_config(name, lock_folder)
        if is_named:
            wanted.configs.append(locked_name(name, lock_folder))
        try:
            find_weights(name)
        except UnknownNameError:
            if not is_plugin and not is_named:
                if name.endswith((".py", ".json", ".yaml", ".yml")):
                    find_config_file(name)  # tells that there is no such file
                raise
        else:
            wanted.weights.append(name)
    return wanted


def here_now() -> Wanted:
    """Return every plugin that can be used, and all weights whose files are on this machine."""
    catalog = read_catalog()
    weights = [
        f"{found.record.name}.{found.row.name}"
        for found in catalog.rows("weights")
        if found.error is None
        and isinstance(found.row, WeightsRow)
        and find_place(found).state in ("shipped", "cached")
    ]
    usable = [record.name for record in catalog.plugins if record.error is None]
    return Wanted(weights=weights, plugins=usable)


def describe_all(wanted: Wanted, lock_folder: Path, way: Way) -> Rows:
    """Return the rows of what is wanted and of what that needs.

    Weights need their plugin, their config, and the plugin of their converter; a config needs the
    plugins of its types. Weights that are adopted are fetched and converted if they are not here.

    Args:
        wanted: The names.
        lock_folder: Folder of the lock file.
        way: Where files may come from.

    Raises:
        ZooError: One of them cannot be found, fetched or read.
    """
    rows = Rows()
    configs, plugins = list(wanted.configs), list(wanted.plugins)
    for name in wanted.weights:
        found, pin = _pinned(name, way)
        rows.weights[pin.name] = pin
        plugins += _plugins_of(found, pin)
        configs += _configs_of(found)
    for name in dict.fromkeys(configs):
        described = describe_config(name, lock_folder)
        rows.configs[name] = described.row
        plugins += sorted(described.plugins)
    for name in dict.fromkeys(plugins):
        rows.plugins[name] = describe_plugin(read_catalog().plugin(name))
    return rows


def _pinned(name: str, way: Way) -> tuple[Found, Pin]:
    found = find_weights(name)
    if isinstance(found.row, LivingRow):
        found = obtain_weights(name, way).found
    row = found.row
    pin = find_pin(row.name, found.record.name)
    if pin is not None and isinstance(row, WeightsRow) and not row.urls:  # adopted
        return found, pin
    if not isinstance(row, WeightsRow):
        message = f"{name!r} are no weights"
        raise TypeError(message)
    return found, _pin_of_row(found, row)


def _pin_of_row(found: Found, row: WeightsRow) -> Pin:
    """Return the pin of weights that are used as they are published."""
    return Pin(
        name=row.name,
        plugin=found.record.name,
        sha256=row.sha256,
        size_bytes=row.size_bytes,
        source_sha256=row.sha256,
        source_size_bytes=row.size_bytes,
        parameters=row.parameters,
        address=shown_address(row.urls[0]) if row.urls else None,
        judge="sha256",
    )


def _plugins_of(found: Found, pin: Pin) -> Iterator[str]:
    if found.record.source != SOURCE:
        yield found.record.name
    if pin.converter is not None:
        yield pin.converter.partition(".")[0]


def _configs_of(found: Found) -> Sequence[str]:
    name = getattr(found.row, "config", "")
    if not name or "::" in name:
        return [name] if name else []
    try:
        row = read_catalog().find_config(name)
    except UnknownNameError:
        if found.record.source == SOURCE:  # its file states the model, or the row is refused
            return []
        raise
    return [f"{row.record.name}.{row.row.name}"]

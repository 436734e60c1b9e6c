# SPDX-License-Identifier: Apache-2.0
"""Read ``zoo_plugin.toml`` into a ``Manifest`` and check it, without importing the plugin.

The manifest is the only source of a plugin's name, contributions and file locations. Unknown keys
are errors, so that typos are found. Paths and targets must be inside the plugin's own package.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zoo.documents import DocumentError, Limits, parse_toml, read_file, reason_of
from zoo.errors import ManifestError
from zoo.manifest.kinds import KINDS
from zoo.manifest.requirements import check_api, upgrade_document
from zoo.manifest.row_reading import (
    read_base_row,
    read_config_row,
    read_contribution,
    read_legacy_index,
    read_shelf_path,
)
from zoo.manifest.rows import (
    AnyWeightsRow,
    BaseRow,
    CheckRow,
    ConfigRow,
    Contribution,
    Manifest,
    ShelfFile,
)
from zoo.manifest.shelf import read_digested_shelf
from zoo.manifest.table import Table
from zoo.manifest.weights_reading import read_weights
from zoo.names import PLUGIN_NAME, PLUGIN_VERSION, hint_near, near_names
from zoo.texts import shown

__all__ = [
    "LIMITS",
    "MANIFEST_NAME",
    "check_package",
    "check_references",
    "check_unique",
    "read_document",
    "read_header",
    "read_manifest",
    "read_plugin",
    "read_requires",
]

MANIFEST_NAME = "zoo_plugin.toml"
LIMITS = Limits(size_bytes=2**20, values=100_000, depth=16, is_finite=False)
"""Of a manifest; numbers that must be finite are checked where their key is known."""


def read_manifest(path: Path, data: bytes | None = None) -> Manifest:
    """Read and check a manifest.

    Requirements are only read as text; `zoo.manifest.requirements` checks whether they are met.

    Args:
        path: A ``zoo_plugin.toml`` in the folder of its package.
        data: Its bytes, if they were read already.

    Raises:
        ManifestError: The file cannot be read or breaks a rule; the message names the key.
        IncompatibleError: It was written for another API number.
    """
    values = read_document(path, data)
    header = read_header(values, path)
    check_package(path, header["plugin"])
    top = Table(values, label="the manifest", path=path, plugin=header["plugin"])
    top.take("plugin", dict)
    requires = read_requires(top)
    contributions: list[Contribution] = []
    for kind in KINDS:
        contributions += [read_contribution(kind, table) for table in top.tables(kind)]
    configs = tuple(read_config_row(table) for table in top.tables("config"))
    bases = tuple(read_base_row(table) for table in top.tables("base"))
    weights: list[AnyWeightsRow] = [read_weights(table) for table in top.tables("weights")]
    shelves: list[ShelfFile] = []
    for table in top.tables("shelf"):
        file = read_shelf_path(table)
        digest, rows = read_digested_shelf(path.parent / file, top.plugin)
        shelves.append(ShelfFile(file, digest))
        weights += rows
    indexes = tuple(read_legacy_index(table) for table in top.tables("legacy_index"))
    top.done()
    check_unique(top, contributions, (*configs, *bases), weights)
    check_references(top, contributions)
    return Manifest(
        path=path,
        requires=requires,
        contributions=tuple(contributions),
        configs=configs,
        bases=bases,
        weights=tuple(weights),
        legacy_indexes=indexes,
        shelves=tuple(shelves),
        **header,
    )


def read_document(path: Path, data: bytes | None = None) -> dict[str, Any]:
    """Return the TOML of a manifest, which no rule was applied to yet; an older one upgraded.

    Args:
        path: A ``zoo_plugin.toml`` in the folder of its package.
        data: Its bytes, if they were read already.

    Raises:
        ManifestError: The file cannot be read, or is not TOML within the limits.
    """
    guess = _guess(path)
    try:
        data = read_file(path, LIMITS.size_bytes) if data is None else data
        return upgrade_document(parse_toml(data, LIMITS))
    except DocumentError as error:
        reason = reason_of(error).removeprefix("it ")
        message = f"cannot use plugin {guess!r}: its manifest {reason}."
        hint = "fix what the message names; docs/manifest.md shows a valid manifest."
        raise ManifestError(message, plugin=guess, manifest=path, hint=hint) from error
    except OSError as error:
        message = f"cannot use plugin {guess!r}: its manifest cannot be read: {reason_of(error)}."
        hint = f"make {path.name} a readable file in the package's folder."
        raise ManifestError(message, plugin=guess, manifest=path, hint=hint) from error


def _guess(path: Path) -> str:
    return path.parent.name.removeprefix("zoo_")


def read_header(values: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return what the table ``[plugin]`` says, as keywords of `Manifest`.

    Args:
        values: The whole document.
        path: The manifest.

    Raises:
        ManifestError: The table breaks a rule.
        IncompatibleError: It was written for another API number.
    """
    top = Table(values, label="the manifest", path=path, plugin=_guess(path))
    return read_plugin(top.table("plugin"))


def read_plugin(table: Table) -> dict[str, Any]:
    """Return what the table ``[plugin]`` says, as keywords of `Manifest`; raises as `read_header`.

    Args:
        table: The table.
    """
    name = table.text("name", pattern=PLUGIN_NAME, wanted="lower case letters, digits and _")
    table.plugin = name
    # A newer contract may have unknown keys, so check its number first.
    api: int = table.take("api", int)
    check_api(api, plugin=name, manifest=table.path)
    header = {
        "plugin": name,
        "version": table.text("version", pattern=PLUGIN_VERSION, wanted="a version"),
        "api": api,
        "summary": table.text("summary"),
        "license": table.text("license"),
        "homepage": table.optional_text("homepage"),
        "notice": table.optional_text("notice"),
    }
    table.done()
    return header


def check_package(path: Path, plugin: str) -> None:
    """Check that a package has the name of its plugin; raises ManifestError.

    Args:
        path: The manifest.
        plugin: Name of the plugin.
    """
    # configs/ of a checkout is the only folder that is not named like its package.
    if path.parent.name not in (f"zoo_{plugin}", plugin):
        found = f"its package is called {path.parent.name!r}, expected 'zoo_{plugin}'."
        hint = f"rename the package to zoo_{plugin}, or the plugin."
        message = f"cannot use plugin {plugin!r}: {found}"
        raise ManifestError(message, plugin=plugin, manifest=path, hint=hint)


def read_requires(top: Table) -> tuple[str, ...]:
    """Return the requirements of the table ``[requires]``, as texts; raises ManifestError.

    Args:
        top: The whole document.
    """
    table = top.table("requires", required=False)
    requires = table.texts("distributions", required=False)
    table.done()
    return requires


def check_unique(
    top: Table,
    contributions: Sequence[Contribution],
    configs: Sequence[ConfigRow | BaseRow],
    weights: Sequence[AnyWeightsRow],
) -> None:
    """Check that no two rows that share a registry have one name; raises ManifestError.

    Args:
        top: The whole document.
        contributions: Rows of every kind.
        configs: Rows of configs and of their bases, which share their names.
        weights: Rows of weights.
    """
    claims = [(KINDS[row.kind].registry or row.kind, row.name) for row in contributions]
    claims += [("config", row.name) for row in configs]
    claims += [("weights", _versioned(row)) for row in weights]
    for (place, name), times in Counter(claims).items():
        if times > 1:
            named = configs if place == "config" else contributions
            kinds = [row.kind for row in named if row.name == name] or [place, place]
            top.fail(
                f"the name {name!r} is used by two rows ([[{kinds[0]}]] and [[{kinds[1]}]]) "
                f"that share one registry, expected each name once.",
                hint=f"rename one of the two {name!r}.",
            )


def check_references(top: Table, contributions: Sequence[Contribution]) -> None:
    """Check that each data set that another row names is one of the plugin's own.

    Args:
        top: The whole document.
        contributions: Rows of every kind.

    Raises:
        ManifestError: A row names a data set that the plugin does not have.
    """
    names = [row.name for row in contributions if row.kind == "dataset"]
    for row in contributions:
        if isinstance(row, CheckRow) and row.dataset is not None and row.dataset not in names:
            top.fail(
                f"[[check]] {row.name!r} names the dataset {shown(row.dataset)}, expected one of "
                f"the plugin's own: {', '.join(names) or 'it has none'}.",
                hint=hint_near(near_names(row.dataset, names), "correct the name, or remove it."),
            )


def _versioned(row: AnyWeightsRow) -> str:
    return row.name if row.version == 1 else f"{row.name}@{row.version}"

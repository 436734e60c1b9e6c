# SPDX-License-Identifier: Apache-2.0
"""``zoo publish --into``: a run becomes weights of a plugin, all or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from zoo.cli.output.printing import say, say_json, say_text
from zoo.texts import counted

if TYPE_CHECKING:
    from zoo.checking.finding import Finding
    from zoo.checking.subject import Subject

__all__ = ["publish_into"]


def publish_into(
    run: Path,
    name: str | None,
    into: Path,
    given: Mapping[str, Any],
    *,
    force: bool,
    as_json: bool,
) -> None:
    """Publish a run into the package of a plugin, and say which files that changed.

    The plugin's files are checked before and after, by the static rules of `zoo plugin check`.

    Args:
        run: A work dir, or a checkpoint in one.
        name: Name of the weights.
        into: The plugin's project or package.
        given: Values of the options of ``zoo publish``, by their names.
        force: Whether to replace weights of that name.
        as_json: Whether to print JSON.

    Raises:
        ZooError: It cannot be published; the plugin is as it was.
    """
    from zoo.checking.lookup import found_subject
    from zoo.cli.shelf.publish_run import publish_run
    from zoo.engine.publishing.into_plugin import PluginTarget, place_published
    from zoo.manifest.reading import read_manifest

    with found_subject(str(into)) as subject:
        package, project = subject.package, subject.project
    _check_editable(subject, into)
    manifest = read_manifest(subject.manifest_path)
    _check_others(manifest.plugin, name)
    before = {_key(each) for each in _errors(subject)}
    target = PluginTarget(manifest, project, replaces=force)
    with TemporaryDirectory(prefix="zoo_") as scratch:
        published = publish_run(run, name, Path(scratch), given, target=target)
        paths = place_published(target, published, lambda: _check_again(package, project, before))
    if as_json:
        facts = published.to_json()
        said = {what: str(path) for what, path in paths.items()}
        say_json({**facts, **said, "plugin": manifest.plugin}, allow_nan=False)
        return
    say_text(published.manifest_row().rstrip())
    for what, path in paths.items():
        say(f"{what}: {path}", err=True)
    errors = counted(len(before), "error")
    if before:
        say(f"warning: the plugin has {errors}: zoo plugin check {into}", err=True)


def _check_editable(subject: Subject, into: Path) -> None:
    """Refuse a wheel, which was unpacked only to be read."""
    from zoo.errors import CheckpointError

    if not subject.package.is_dir():
        message = f"cannot publish into {into.name!r}: it is no folder of a plugin."
        raise CheckpointError(message, path=into, hint="give the folder of the plugin's project.")


def _check_others(plugin: str, name: str | None) -> None:
    """Refuse a name that weights of another plugin have: neither could be used by it."""
    from zoo.catalog import read_catalog
    from zoo.errors import ConflictError
    from zoo.manifest.rows import WeightsFacts

    for found in read_catalog().rows("weights"):
        row = found.row
        is_named = isinstance(row, WeightsFacts) and name in (row.name, *row.aliases)
        if is_named and found.record.name != plugin:
            message = f"cannot publish {name!r} into the plugin {plugin!r}: the plugin "
            message += f"{found.record.name!r} has weights of that name."
            first, second = f"plugin {plugin}", f"plugin {found.record.name}"
            raise ConflictError(
                message, first=first, second=second, plugin=plugin, hint="choose another --name."
            )


def _errors(subject: Subject) -> tuple[Finding, ...]:
    from zoo.checking.rules import all_rules
    from zoo.checking.running import check_plugin

    return check_plugin(subject, all_rules(), stages=("static",)).errors


def _key(finding: Finding) -> tuple[str, str]:
    return finding.rule, finding.message


def _check_again(package: Path, project: Path | None, before: set[tuple[str, str]]) -> None:
    """Raise an error for what the published file broke in the plugin."""
    from zoo.checking.subject import read_subject
    from zoo.errors import CheckpointError

    new = [each for each in _errors(read_subject(package, project)) if _key(each) not in before]
    if new:
        message = f"cannot publish into the plugin: its files would break {new[0].rule}: "
        message += new[0].message
        raise CheckpointError(message, path=package, hint=new[0].mend)

# SPDX-License-Identifier: Apache-2.0
"""``zoo plugin build``: a wheel and an sdist that hold what the manifest names, or none."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.options.completion import complete_file
from zoo.cli.output.errors import ZooCommand
from zoo.cli.output.printing import say, say_json
from zoo.texts import counted

if TYPE_CHECKING:
    from zoo.checking.distributions.building import Built
    from zoo.checking.distributions.comparing import BuildFault
    from zoo.checking.subject import Subject

__all__ = ["command"]


@click.command("build", cls=ZooCommand)
@click.argument("path", metavar="[PATH]", default=".", shell_complete=complete_file)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Output folder (default: dist in the project).",
)
@click.option(
    "--no-isolation",
    is_flag=True,
    help="Build with the packages of this environment, without a download.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(
    ctx: click.Context, path: str, out: Path | None, no_isolation: bool, as_json: bool
) -> None:
    """Build the wheel and the sdist of the plugin in PATH, here by default.

    First its files are checked, as `zoo plugin check --static` does. Then pypa's build makes the
    sdist, and the wheel from it. Both are compared with the manifest: every file that it names must
    be inside, the version and the entry point the same. A plugin with errors is not built.
    """
    from tempfile import TemporaryDirectory

    from zoo.checking.distributions.building import build_project
    from zoo.checking.lookup import check_may_run

    subject = _subject(path)
    check_may_run(subject, "read its files with zoo plugin check --static")
    project = subject.project
    if project is None:
        raise _no_project(subject)
    _check(subject)
    out = out or project / "dist"
    _check_out(out)
    with TemporaryDirectory(prefix="zoo-build-") as scratch:
        built = build_project(project, Path(scratch), is_isolated=not no_isolation)
        faults = _compare(built, subject)
        errors = [each for each in faults if each.is_error]
        if errors:
            raise _refusal(subject, errors)
        paths = _place(built, out)
    _report(subject, paths, faults, as_json=as_json)


def _subject(path: str) -> Subject:
    from zoo.checking.lookup import found_subject

    with found_subject(
        path
    ) as subject:  # only a wheel is unpacked for the block, and has no project
        return subject


def _no_project(subject: Subject) -> Exception:
    from zoo.errors import PluginError

    message = (
        f"cannot build plugin {subject.name!r}: there is no pyproject.toml beside its package."
    )
    hint = "name the folder of its project, where pyproject.toml is."
    return PluginError(message, plugin=subject.name, where=subject.package, hint=hint)


def _check(subject: Subject) -> None:
    """Raise an error for a plugin whose files break a rule; warnings are for `check`."""
    from zoo.checking.rules import all_rules
    from zoo.checking.running import check_plugin
    from zoo.errors import PluginError

    errors = check_plugin(subject, all_rules(), stages=("static",)).errors
    if not errors:
        return
    lines = [f"cannot build plugin {subject.name!r}: found {counted(len(errors), 'error')}:"]
    lines += [f"  {each.where}: {each.rule}: {each.message}" for each in errors]
    hint = f"zoo plugin check {subject.project} says how to mend each."
    raise PluginError("\n".join(lines), plugin=subject.name, where=subject.manifest_path, hint=hint)


def _compare(built: Built, subject: Subject) -> list[BuildFault]:
    from zoo.checking.distributions.comparing import compare_sdist, compare_wheel
    from zoo.documents import read_toml
    from zoo.manifest.reading import LIMITS, read_manifest

    manifest = read_manifest(subject.manifest_path)
    document = read_toml(subject.manifest_path, LIMITS)
    found = compare_sdist(built.sdist, manifest, document)
    return [*compare_wheel(built.wheel, manifest, document), *found]


def _refusal(subject: Subject, errors: list[BuildFault]) -> Exception:
    from zoo.errors import PluginError

    lines = [f"cannot build plugin {subject.name!r}: found {counted(len(errors), 'error')}:"]
    lines += [f"  {each.message}" for each in errors]
    where = subject.project or subject.package
    message = "\n".join(lines)
    return PluginError(message, plugin=subject.name, where=where, hint=errors[0].mend)


def _place(built: Built, out: Path) -> list[Path]:
    """Move the files into the output folder, over those of an earlier build."""
    import shutil

    try:
        out.mkdir(parents=True, exist_ok=True)
        found = []
        for path in (built.wheel, built.sdist):
            partial = out / f".{path.name}.part"
            shutil.copyfile(path, partial)
            found.append(partial.replace(out / path.name))
    except OSError as error:
        raise _unwritable(out, error) from error
    return found


def _check_out(out: Path) -> None:
    """Raise before the build, which may take minutes, if its files could not be written."""
    there = next(each for each in (out.absolute(), *out.absolute().parents) if each.exists())
    if not os.access(there, os.W_OK):
        raise _unwritable(out, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


def _unwritable(out: Path, error: OSError) -> Exception:
    from zoo.errors import PluginError

    message = f"cannot write {out}: {error.strerror or error}."
    hint = "check the free space and the permissions there, or name another folder with --out."
    return PluginError(message, where=out, hint=hint)


def _report(
    subject: Subject, paths: list[Path], faults: list[BuildFault], *, as_json: bool
) -> None:
    from zoo.files import digest_of_file

    files: list[dict[str, Any]] = [
        {"path": str(path), "size_bytes": path.stat().st_size, "sha256": digest_of_file(path)}
        for path in paths
    ]
    if as_json:
        warnings = [{"message": each.message, "mend": each.mend} for each in faults]
        say_json({"plugin": subject.name, "files": files, "warnings": warnings})
        return
    for file in files:
        say(f"{file['path']}  {file['size_bytes']:,} bytes, sha256 {file['sha256']}")
    for each in faults:
        say(f"warning: {each.message}", f"  HINT: {each.mend}", err=True)

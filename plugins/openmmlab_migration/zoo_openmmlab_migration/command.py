# SPDX-License-Identifier: Apache-2.0
"""``zoo migrate``: an old config or checkpoint, rewritten for the new generation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from zoo.errors import CheckpointError, ConfigError
from zoo.texts import counted, printable

__all__ = ["command"]

_CONFIGS = (".py", ".json")
_CHECKPOINTS = (".pth", ".pt", ".safetensors")
_MAGIC = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04")  # zip archives and pickles


@click.command("migrate")
@click.argument("source", metavar="CONFIG|CHECKPOINT", type=click.Path(path_type=Path))
@click.option(
    "--out",
    metavar="DIR",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder for the new files; none in it is replaced.",
)
@click.option(
    "--no-check",
    is_flag=True,
    help="Do not compare types and arguments with the installed mmseg and mmdet (faster).",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(source: Path, out: Path, no_check: bool, as_json: bool) -> None:
    """Rewrite a config or checkpoint of mmseg 0.x or mmdet 2.x for mmseg 1.x and mmdet 3.x.

    A config is read as data, with its bases; none of its code is run. DIR/NAME.py is the new one,
    DIR/NAME.md lists what changed and what could not be carried. A checkpoint becomes
    DIR/NAME.safetensors, with its own config beside it if it carries one. The old file is kept.
    """
    is_config = _is_config(source)
    report = (
        _config(source, out, not no_check) if is_config else _weights(source, out, not no_check)
    )
    if as_json:
        click.echo(json.dumps(report, indent=2))
    else:
        _print(report)


def _is_config(source: Path) -> bool:
    if not source.is_file():
        found = "a folder" if source.is_dir() else "nothing"
        message = f"cannot migrate {str(source)!r}: found {found}, "
        message += "expected a config or a checkpoint."
        raise ConfigError(message, where=source, hint="check the path.")
    if source.suffix in _CONFIGS or source.suffix in _CHECKPOINTS:
        return source.suffix in _CONFIGS
    try:
        with source.open("rb") as stream:
            start = stream.read(4)
    except OSError as error:
        message = f"cannot read {source.name!r}: {error.strerror}."
        raise CheckpointError(message, path=source, hint="check its permissions.") from error
    if start.startswith(_MAGIC):
        return False
    message = f"cannot migrate {source.name!r}: it is neither a config ({', '.join(_CONFIGS)}) "
    message += f"nor a checkpoint ({', '.join(_CHECKPOINTS)})."
    raise ConfigError(message, where=source, hint="give an OpenMMLab config or checkpoint.")


def _config(source: Path, out: Path, check: bool) -> dict[str, Any]:
    from zoo_openmmlab_migration.checking import check_values
    from zoo_openmmlab_migration.configs.migration import migrate_config
    from zoo_openmmlab_migration.output import Output
    from zoo_openmmlab_migration.reading.files import read_config

    output = Output(out)
    name = source.stem
    output.check_free(f"{name}.py", f"{name}.md")
    old = read_config(source)
    made = migrate_config(old)
    if check:
        check_values(made.family, made.values, made.ledger)
    others = [file.name for file in old.files[1:]]
    heading = [f"Migrated by `zoo migrate` from {source.name} ({_OLD[made.family]})."]
    if others or old.taken:
        heading += ["", f"One config of it and its bases: {', '.join([*others, *old.taken])}."]
    _write_config(output, name, made, heading)
    return {"kind": "config", "source": str(source), "bases": [str(f) for f in old.files[1:]]} | (
        _summary(output, made)
    )


_OLD = {"mmseg": "mmseg 0.x", "mmdet": "mmdet 2.x"}


def _write_config(output: Any, name: str, made: Any, heading: list[str]) -> None:
    from zoo_openmmlab_migration.writing import config_text, ledger_text

    if made.ledger.lost:
        lost = [f"- {entry.key}: {entry.text}" for entry in made.ledger.lost]
        heading = [*heading, "", f"Not carried ({name}.md says what to do):", *lost]
    listed = ledger_text(f"{name}.py", heading[:1], made.ledger.to_json())
    output.write_text(f"{name}.py", config_text(made.values, heading))
    output.write_text(f"{name}.md", listed)


def _summary(output: Any, made: Any) -> dict[str, Any]:
    return {
        "family": made.family,
        "whole": made.ledger.is_whole,
        "written": [str(file) for file in output.written],
        **made.ledger.to_json(),
    }


def _weights(source: Path, out: Path, check: bool) -> dict[str, Any]:
    from zoo_openmmlab_migration.checking import check_values
    from zoo_openmmlab_migration.checkpoints.migration import migrate_checkpoint
    from zoo_openmmlab_migration.output import Output

    output = Output(out)
    name = source.stem
    output.check_free(f"{name}.safetensors", f"{name}_ema.safetensors", f"{name}.py", f"{name}.md")
    made = migrate_checkpoint(source)
    output.write_weights(f"{name}.safetensors", made.weights, made.note)
    if made.copies:
        output.write_weights(f"{name}_ema.safetensors", made.copies, made.note)
    ledger = made.ledger
    if made.config is not None:
        if check:
            check_values(made.config.family, made.config.values, made.config.ledger)
        family = _OLD[made.config.family]
        heading = [f"Migrated by `zoo migrate` from the config in {source.name} ({family})."]
        _write_config(output, name, made.config, heading)
        ledger.lost += made.config.ledger.lost
    return {
        "kind": "checkpoint",
        "source": str(source),
        "architectures": list(made.architectures),
        "names": made.names,
        "tensors": len(made.weights),
        "whole": ledger.is_whole,
        "written": [str(file) for file in output.written],
        **ledger.to_json(),
    }


def _print(report: dict[str, Any]) -> None:
    for path in report["written"]:
        click.echo(f"wrote {printable(path)}")
    if report["kind"] == "checkpoint":
        titles = ", ".join(report["architectures"]) or "no architecture whose names changed"
        click.echo(f"{counted(report['tensors'], 'tensor')}: {titles}")
    changed, dropped, lost = (report[key] for key in ("changed", "dropped", "lost"))
    click.echo(
        f"{len(changed)} changed, {len(dropped)} left out without loss, {len(lost)} not carried"
    )
    for row in lost:
        click.echo(f"  not carried: {printable(row['key'])}: {printable(row['text'])}")
        click.echo(f"    {printable(row['hint'])}")
    if not lost:
        click.echo("everything was carried")

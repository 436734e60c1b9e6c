# SPDX-License-Identifier: Apache-2.0
"""``zoo data check``: whether a prepared folder holds, by zoo's own checks and those of plugins."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.cli.options.completion import complete_config
from zoo.cli.options.mm_options import MMCommand
from zoo.cli.output.printing import say, say_json
from zoo.cli.output.progress import progress_bar

if TYPE_CHECKING:
    from zoo.engine.dataset.instance_labels import LabelCount
    from zoo.engine.plugin_checks import PluginFinding

__all__ = ["command"]

_AGAIN = "run `zoo data prepare` again into a new --out."
_MEND = "correct the raw data, or what each line names, and prepare it again."


@click.command("check", cls=MMCommand)
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--config",
    metavar="CONFIG",
    shell_complete=complete_config,
    help="Also run images through the training pipeline of this config and count what it loads.",
)
@click.option(
    "--cfg-options",
    multiple=True,
    metavar="K=V ...",
    help="Override values of that config.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(folder: Path, config: str | None, cfg_options: tuple[str, ...], as_json: bool) -> None:
    """Verify the prepared folder DIR: its files, sizes, labels, splits and digests.

    If all of that holds, the checks that plugins have for such folders run. For instance data, the
    objects of each split are counted. With --config, they are also counted after its pipeline, as
    `zoo train` does before its first step.
    """
    from zoo.data import check_prepared
    from zoo.errors import DataError

    if cfg_options and config is None:
        message = "give --config too"
        raise click.BadParameter(message, param_hint="--cfg-options")
    with progress_bar("check") as progress:
        problems = check_prepared(folder, progress=progress)
    findings = [] if problems else _findings_of_plugins(folder)
    faults = [finding.text() for finding in findings if finding.level == "error"]
    if as_json:
        _say_check(folder, [*problems, *faults], findings, config, cfg_options)
    else:
        if problems:
            say(*problems)
        _say_findings(findings)
        if not problems and not faults:
            _say_counts(folder, config, cfg_options)
    if problems or faults:
        count = len(problems) + len(faults)
        message = f"the prepared folder has errors: {count} problems, listed above."
        raise DataError(message, path=folder, hint=_AGAIN if problems else _MEND)


def _findings_of_plugins(folder: Path) -> list[PluginFinding]:
    from zoo.data import read_prepared
    from zoo.engine.plugin_checks import data_findings

    return list(data_findings(read_prepared(folder)))


def _say_findings(findings: list[PluginFinding]) -> None:
    """Print what plugins found, and once for each fault how it is mended."""
    for finding in findings:
        mark = "warning: " if finding.level == "warning" else ""
        say(f"{mark}{finding.text()}")
    for mend in dict.fromkeys(finding.mend for finding in findings if finding.mend):
        names = dict.fromkeys(finding.name for finding in findings if finding.mend == mend)
        say(f"to mend {', '.join(names)}: {mend}")


def _say_counts(folder: Path, config: str | None, cfg_options: tuple[str, ...]) -> None:
    from zoo.data import count_objects

    for line in count_objects(folder):
        say(line)
    if config is not None:
        for count in _count_labels(folder, config, cfg_options):
            say(f"train through {config}: {count.text()}")
    say(f"ok: {folder}")


def _say_check(
    folder: Path,
    problems: list[str],
    findings: list[PluginFinding],
    config: str | None,
    cfg_options: tuple[str, ...],
) -> None:
    """Print what a check found as one JSON object."""
    from zoo.data import count_split_objects, read_prepared

    prepared = read_prepared(folder)
    objects = [] if problems else [asdict(each) for each in count_split_objects(folder)]
    counts = _count_labels(folder, config, cfg_options) if config and not problems else []
    facts: dict[str, Any] = {
        "schema": 1,
        "folder": str(folder),
        "ok": not problems,
        "problems": problems,
        "checks": [asdict(finding) for finding in findings],
        "splits": {name: split.to_dict() for name, split in prepared.splits.items()},
        "objects": objects,
        "loaded": [
            {key: getattr(each, key) for key in ("stated", "kept", "seen", "loaded")}
            for each in counts
        ],
    }
    say_json(facts)


def _count_labels(folder: Path, config: str, cfg_options: tuple[str, ...]) -> list[LabelCount]:
    """Count the objects that a config's training pipeline loads."""
    from zoo.cli.output.streams import log_on_stderr
    from zoo.engine.config.reading import read_config
    from zoo.engine.dataset.instance_labels import count_training_labels

    with log_on_stderr():
        resolved = read_config(config, cfg_options=cfg_options, data=folder, pretrained="none")
        return count_training_labels(resolved)

# SPDX-License-Identifier: Apache-2.0
"""OpenMMLab's options on click."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from zoo.cli.options.mm_options import MMCommand, config_options, launcher_options


@click.command(cls=MMCommand)
@click.argument("config")
@click.argument("rest", nargs=-1)
@click.option("--resume")
@config_options
@launcher_options
def _echo(**values: object) -> None:
    shown = {key: value for key, value in values.items() if value not in (None, (), 0, "none")}
    click.echo(repr(shown))


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["c.py"], {"config": "c.py"}),
        (["c.py", "--cfg-options", "a=1", "b=2"], {"cfg_options": ("a=1", "b=2")}),
        (["--cfg-options", "a=1", "b=2", "c.py"], {"cfg_options": ("a=1", "b=2")}),
        (["--cfg-options=a=1", "c.py", "--cfg-options", "b=2"], {"cfg_options": ("a=1", "b=2")}),
        (["--resume", "c.py"], {"resume": "auto"}),
        (["c.py", "--resume"], {"resume": "auto"}),
        (["c.py", "--resume", "auto", "x"], {"resume": "auto", "rest": ("x",)}),
        (["c.py", "--resume", "w/iter_3.pth"], {"resume": "w/iter_3.pth"}),
        (["c.py", "--local_rank", "3", "--launcher", "slurm"], {"local_rank": 3}),
        (["c.py", "--local-rank=3"], {"local_rank": 3}),
        (["c.py", "--", "--resume"], {"rest": ("--resume",)}),
    ],
)
def test_mm_command_takes_openmmlab_options(args: list[str], expected: dict[str, object]) -> None:
    result = CliRunner().invoke(_echo, args)

    assert result.exit_code == 0, result.output
    values = eval(result.output)  # what repr wrote
    assert values | expected == values
    assert values["config"] == "c.py"


def test_mm_command_with_cfg_option_without_value_is_wrong_usage() -> None:
    result = CliRunner().invoke(_echo, ["c.py", "--cfg-options"])

    assert result.exit_code == 2

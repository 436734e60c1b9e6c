# SPDX-License-Identifier: Apache-2.0
"""No config, and no base of one, runs before it was named, nor at all where that is refused.

Chains of bases in every mixture of suffixes are written, whose files each leave a canary when they
run; another process reads them under an audit hook.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.mm

_DRIVER = Path(__file__).with_name("audit_configs.py")
_KINDS = ("py", "json", "yaml", "yml", "lazy")
_PACKAGE_BASE = "mmseg::_base_/default_runtime.py"


def _suffix(kind: str) -> str:
    return "py" if kind == "lazy" else kind


def _write(folder: Path, stem: str, kind: str, base: str | None, more: tuple[str, ...]) -> str:
    """Write one file of a chain and return its name; one of Python leaves a canary."""
    name = f"{stem}.{_suffix(kind)}"
    canary = f"open({str(folder / f'ran-{name}')!r}, 'w').close()\n"
    bases = [*more, *([base] if base else [])]
    if kind == "lazy":
        names = f"from .{base.partition('.')[0]} import *" if base else "pass"
        text = f"from mmengine.config import read_base\nwith read_base():\n    {names}\n"
        text = text if base else "from mmengine.dist import get_rank\n"
        text += canary
    elif kind == "py":
        # The expression that names the bases is code too, and runs first.
        text = f"_base_ = [{canary.strip()} or {bases[0]!r}, *{bases[1:]!r}]\n" if bases else ""
        text += canary
    else:
        text = json.dumps({"_base_": bases, stem: 1})
    (folder / name).write_text(text)
    return name


def _chains(folder: Path) -> dict[str, list[str]]:
    """Write every chain of up to three files; return its first file -> all of its files."""
    chains = {}
    for length in (1, 2, 3):
        for number, kinds in enumerate(itertools.product(_KINDS, repeat=length)):
            lazy = [kind == "lazy" for kind in kinds]
            if any(lazy) and not all(lazy):
                continue  # mmengine refuses the mixture
            files: list[str] = []
            for place, kind in reversed(list(enumerate(kinds))):
                # One of a package's too, which is known; they take their time.
                has_more = length < 3 and place == length - 1 and kind != "lazy"
                more = (_PACKAGE_BASE,) if has_more else ()
                stem = f"c{length}_{number}_{place}"
                files.insert(0, _write(folder, stem, kind, files[0] if files else None, more))
            chains[files[0]] = files
    return chains


def _read(folder: Path, names: list[str], **variables: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, _DRIVER, folder, *(folder / name for name in names)],
        env={**os.environ, "ZOO_PLUGINS": "", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"config')]


@pytest.mark.slow
def test_each_file_of_a_chain_is_named_before_it_runs(tmp_path: Path) -> None:
    chains = _chains(tmp_path)
    assert len(chains) > 80

    rows = _read(tmp_path, list(chains))

    assert len(rows) == len(chains)
    for row in rows:
        files = chains[Path(row["config"]).name]
        assert row["refused"] is None, row
        assert [name for what, name in row["events"] if what == "named"] == files, row
        ran = {name for what, name in row["events"] if what == "ran"}
        assert ran == {name for name in files if name.endswith(".py")}, row
        for name in ran:
            assert row["events"].index(["named", name]) < row["events"].index(["ran", name]), row


def test_nothing_of_a_chain_runs_where_foreign_code_is_refused(tmp_path: Path) -> None:
    chains = _chains(tmp_path)

    rows = _read(tmp_path, list(chains), ZOO_NO_FOREIGN_CODE="1")

    assert len(rows) == len(chains)
    for row in rows:
        name = Path(row["config"]).name
        assert row["events"] == [], row
        assert row["refused"].startswith(
            f"cannot use the config {name!r}: it runs code from outside zoo and its plugins, "
            "which ZOO_NO_FOREIGN_CODE refuses."
        ), row
    assert not list(tmp_path.glob("ran-*"))


@pytest.mark.parametrize("kind", ["py", "json", "yaml"])
@pytest.mark.parametrize("place", ["config", "base"])
def test_known_config_with_a_base_from_elsewhere_is_refused_for_it(
    tmp_path: Path, write_plugin: Any, kind: str, place: str
) -> None:
    """Whether the plugin's file names it, or a file that it names does."""
    package = write_plugin("mine")
    theirs = _write(tmp_path, "theirs", "py", None, ())
    first = _write(package, "first", kind, str(tmp_path / theirs), ())
    second = _write(package, "second", "json", first, ())
    name = first if place == "config" else second
    folder = str(package.parent)

    refused, taken = (
        _read(package, [name], ZOO_PLUGINS="mine", ZOO_PLUGIN_PATH=folder, **variables)[0]
        for variables in ({"ZOO_NO_FOREIGN_CODE": "1"}, {"ZOO_NO_FOREIGN_CODE": "0"})
    )

    assert "cannot use the config 'theirs.py'" in refused["refused"]
    assert str(tmp_path / theirs) in refused["refused"]
    assert not (tmp_path / "ran-theirs.py").exists() or taken["refused"] is None
    assert [name for what, name in taken["events"] if what == "named"] == ["theirs.py"]


_TAGS = (
    "!!python/object/apply:os.system ['touch {canary}']",
    "!!python/object/new:subprocess.Popen [[touch, '{canary}']]",
    "!!python/object/apply:builtins.eval [\"open('{canary}', 'w')\"]",
    "!!python/object/apply:builtins.open ['{canary}', w]",
    "!!python/name:os.system",
    "!!python/module:os",
    "!!python/object:subprocess.Popen {{}}",
    "!!python/object/apply:functools.reduce [!!python/name:os.system , ['touch {canary}'], 1]",
)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["yaml", "yml"])
def test_tags_of_python_in_yaml_run_nothing(tmp_path: Path, suffix: str) -> None:
    """At the top, inside, as a key, through an alias, in ``_base_``, in a base."""
    frames = ("a: {}", "a: [1, {{b: {}}}]", "? {}\n: 1", "a: &x {}\nb: *x", "_base_: {}")
    names = []
    for number, (frame, tag) in enumerate(itertools.product(frames, _TAGS)):
        text = frame.format(tag.format(canary=tmp_path / f"ran-{number}"))
        (tmp_path / f"t{number}.{suffix}").write_text(text)
        (tmp_path / f"b{number}.json").write_text(json.dumps({"_base_": f"t{number}.{suffix}"}))
        names += [f"t{number}.{suffix}", f"b{number}.json"]

    rows = _read(tmp_path, names)

    assert len(rows) == len(names) == 2 * len(frames) * len(_TAGS)
    for row in rows:
        assert [event for event in row["events"] if event[0] == "ran"] == [], row
        assert row["refused"].startswith("cannot read YAML: line "), row
        assert f".{suffix}\n" in row["refused"], row  # the file that holds it, base or not
    assert not list(tmp_path.glob("ran-*"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "it is nested more than 100 deep"),
        ("a: &a [*a]", "the anchor 'a' contains itself"),
        (
            "\n".join(
                f"k{n}: &k{n} [{', '.join([f'*k{n - 1}' if n else '1'] * 9)}]" for n in range(9)
            ),
            "it is too large, expected at most 1,000,000 values",
        ),
        ("a: [1\nb: 2", "line 2: did not find expected ',' or ']'"),
        ("a: 1\n---\nb: 2", "line 2: but found another document"),
    ],
    ids=["deep", "circle", "bomb", "open", "two"],
)
def test_yaml_that_is_small_as_text_alone_is_refused(text: str, message: str) -> None:
    from zoo.engine.config_files.safe_yaml import read_yaml
    from zoo.errors import ConfigError

    with pytest.raises(ConfigError) as caught:
        read_yaml(text)

    assert caught.value.message.startswith(f"cannot read YAML: {message}")


def test_yaml_that_mmengine_writes_is_read_as_it_was(tmp_path: Path) -> None:
    """Tuples carry a tag of Python's, which runs nothing."""
    from mmengine.config import Config

    from zoo.engine.config_files.files import parse_config_file

    config = Config({"size": (3, 4), "parts": [{"a": (1, (2,))}], "words": "x: y", "none": None})
    config.dump(tmp_path / "a.yaml")
    assert "!!python/tuple" in (tmp_path / "a.yaml").read_text()

    assert parse_config_file(tmp_path / "a.yaml").to_dict() == config.to_dict()

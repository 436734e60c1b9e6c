# SPDX-License-Identifier: Apache-2.0
"""A manifest and a pyproject.toml change by one row and one glob; every other letter stays."""

from __future__ import annotations

import difflib
import itertools
import tomllib

import pytest
from plugin_project import FILES

from zoo.engine.publishing.plugin_texts import with_package_data, with_weights_row
from zoo.errors import CheckpointError

MANIFEST = FILES["zoo_ponds/zoo_plugin.toml"]


def row(name: str, value: float = 0.5) -> str:
    """Return a row as zoo writes it."""
    return (
        f'[[weights]]\nname = "{name}"\nconfig = "pond-64"\nurls = ["package:weights/x"]\n'
        f'metrics = [\n    {{ name = "mIoU", value = {value} }},\n]\n'
    )


def lines_changed(before: str, after: str) -> tuple[list[str], list[str]]:
    """Return the lines that went and those that came."""
    found = list(difflib.ndiff(before.splitlines(), after.splitlines()))
    return [x[2:] for x in found if x[0] == "-"], [x[2:] for x in found if x[0] == "+"]


def comments_of_tables(text: str) -> dict[str, str]:
    """Return the header, or the end, below each comment -> the comment."""
    lines = [line for line in text.splitlines() if line.strip()] + [""]
    return {below: line for line, below in itertools.pairwise(lines) if line.startswith("#")}


EARLIER = "\n# an older one\n" + row("old")
TEXTS = {
    "none": MANIFEST,
    "no-end": MANIFEST.rstrip("\n"),
    "last": MANIFEST + EARLIER,
    "comment-behind": MANIFEST + EARLIER + "\n# the end\n",
    "first": row("old") + "\n" + MANIFEST,
    "between": MANIFEST + EARLIER + '\n# configs\n[[config]]\nname = "b"  # b\nfile = "b.py"\n',
    "two": MANIFEST + EARLIER + "\n" + row("older"),
    "sub-tables": MANIFEST + '\n[[weights]]\nname = "old"\n[[weights.metrics]]\nname = "a"\n',
    "windows": (MANIFEST + EARLIER).replace("\n", "\r\n"),
    "comment-behind-sub-tables": MANIFEST
    + '\n[[weights]]\nname = "old"\n[[weights.metrics]]\nname = "a"\n\n# b\n[[x]]\n\n# the end\n',
    "tricky": MANIFEST + '\n[[weights]]\nname = "old"\nlicence = """\n[[weights]]\n"""\n',
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_with_row_when_added_then_nothing_else_changes(text: str) -> None:
    """Wherever other rows and comments lie: no line goes, and the document gains one row."""
    before = tomllib.loads(text)

    changed = with_weights_row(text, row("new"), replaces=False)

    after = tomllib.loads(changed)
    assert after.pop("weights") == [
        *before.pop("weights", []),
        *tomllib.loads(row("new"))["weights"],
    ]
    assert after == before
    gone, came = lines_changed(text, changed)
    assert gone == []
    assert [line for line in came if line.strip()] == row("new").splitlines()


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_with_row_when_replaced_then_others_and_comments_stay(text: str) -> None:
    """The new row takes the old one's place; without an old one it is added."""
    before = tomllib.loads(text)
    comments = [line for line in text.splitlines() if line.startswith("#")]

    changed = with_weights_row(text, row("old", 0.75), replaces=True)

    (new,) = tomllib.loads(row("old", 0.75))["weights"]
    rows = before.pop("weights", [{"name": "old"}])
    after = tomllib.loads(changed)
    assert after.pop("weights") == [new if each["name"] == "old" else each for each in rows]
    assert after == before
    assert [line for line in changed.splitlines() if line.startswith("#")] == comments
    assert comments_of_tables(changed) == comments_of_tables(text)
    assert with_weights_row(changed, row("old", 0.75), replaces=True) == changed
    assert changed.count("\n") == changed.count("\r\n") or "\r\n" not in changed


PYPROJECT = FILES["pyproject.toml"]


@pytest.mark.parametrize(
    ("old", "new", "came"),
    [
        (
            "",
            "",
            'zoo_ponds = ["zoo_plugin.toml", "configs/*.py", "weights/*.safetensors"]  # what',
        ),
        ('"configs/*.py"]', '"configs/*.py", "weights/*.safetensors"]', None),
        ('"configs/*.py"]', '"configs/*.py", "weights/*"]', None),
        ('"configs/*.py"]', '"configs/*.py", "**/*.safetensors"]', None),
        ('"configs/*.py"]', '"configs/*.py", "*.safetensors"]', "weights/*.safetensors"),
        ('["zoo_plugin.toml", "configs/*.py"]', '[\n    "zoo_plugin.toml",  # m\n]', "weights/*"),
        ('zoo_ponds = ["zoo_plugin.toml", "configs/*.py"]', '"*" = ["*.toml"]', "zoo_ponds = ["),
        ("[tool.setuptools.package-data]", "[tool.setuptools.package-data] # data", "weights/*"),
        ('"setuptools.build_meta"', '"hatchling.build"', None),
    ],
)
def test_with_package_data_when_no_glob_names_the_file_then_one_is_added(
    old: str, new: str, came: str | None
) -> None:
    """setuptools' own rule: a star stays within a folder; other builders need no list."""
    text = PYPROJECT.replace(old, new) if old else PYPROJECT

    changed = with_package_data(text, "zoo_ponds", "weights/unet.safetensors")

    if came is None:
        assert changed == text
        return
    assert came in changed
    data = tomllib.loads(changed)["tool"]["setuptools"]["package-data"]
    assert data["zoo_ponds"][-1] == "weights/*.safetensors"
    assert all(line in changed for line in text.splitlines() if line.startswith("#"))
    assert with_package_data(changed, "zoo_ponds", "weights/other.safetensors") == changed


def test_with_package_data_when_there_is_no_table_then_one_is_made() -> None:
    text = PYPROJECT.partition("[tool.setuptools.package-data]")[0]
    bare = text.partition("[tool.setuptools]")[0]

    for each in (text, bare):
        changed = with_package_data(each, "zoo_ponds", "weights/unet.safetensors")

        data = tomllib.loads(changed)["tool"]["setuptools"]["package-data"]
        assert data == {"zoo_ponds": ["weights/*.safetensors"]}
        assert changed.startswith(each.rstrip("\n"))


@pytest.mark.parametrize(
    "text",
    [
        "[project\n",
        '[tool.setuptools.package-data]\nzoo_ponds = "x"\n',
        "[tool.setuptools.package-data]\nzoo_ponds = 1\n",
        '[tool.setuptools.package-data]\n"*" = {a = 1}\n',
        "[tool.setuptools]\npackage-data = 3\n",
        "[tool]\nsetuptools = ['x']\n",
    ],
)
def test_with_package_data_when_the_file_is_no_such_list_then_refused(text: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        with_package_data(text, "zoo_ponds", "weights/unet.safetensors")

    assert "pyproject.toml" in caught.value.message
    assert caught.value.hint


def test_with_row_when_the_manifest_is_no_toml_then_refused() -> None:
    with pytest.raises(CheckpointError, match=r"zoo_plugin\.toml is not valid TOML"):
        with_weights_row("[plugin", row("new"), replaces=False)

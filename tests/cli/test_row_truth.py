# SPDX-License-Identifier: Apache-2.0
"""A row of a manifest that says otherwise than its file: marked, or refused, with both values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import weights_rows
from click.testing import CliRunner, Result
from weights_rows import weights_row

from zoo.cli import main

METRIC = {**weights_rows.METRIC, "value": 0.9123456789012345, "protocol": "zoo test"}
RECORD: dict[str, Any] = {
    "schema": 1,
    "name": "one",
    "task": "semantic",
    "trained_with": "unet_small",
    "licence": "Apache-2.0",
    "data_licence": "CC0-1.0",
    "parameters": 4,
    "classes": {"$tuple": ["background", "lung"]},
    "metrics": {"$tuple": [{**METRIC, "images": 3, "images_sha256": "ab"}]},
}
# What is edited by hand, and the words of the row and of the file that are shown of it.
EDITS: dict[str, tuple[dict[str, Any], str, str]] = {
    "task": ({"task": "instance"}, "'instance'", "'semantic'"),
    "config": ({"config": "unet_large"}, "'unet_large'", "'unet_small'"),
    "licence": ({"licence": "MIT"}, "'MIT'", "'Apache-2.0'"),
    "data_licence": ({"data_licence": "any"}, "'any'", "'CC0-1.0'"),
    "parameters": ({"parameters": 5}, "5", "4"),
    "value": (
        {"metrics": [{**METRIC, "value": 0.9123456789012346}]},
        "0.9123456789012346",
        "0.9123456789012345",
    ),
    "data set": ({"metrics": [{**METRIC, "dataset": "e"}]}, "'e'", "'d'"),
    "split": ({"metrics": [{**METRIC, "split": "val"}]}, "'val'", "'test'"),
    "labels": ({"metrics": [{**METRIC, "labels": "derived"}]}, "'derived'", "'true'"),
    "protocol": ({"metrics": [{**METRIC, "protocol": "mine"}]}, "'mine'", "'zoo test'"),
    "another metric": (
        {"metrics": [METRIC, {**METRIC, "name": "iou"}]},
        "'iou' 0.9123456789012345",
        "no such metric",
    ),
}


def _safetensors(record: Any) -> bytes:
    header = {
        "__metadata__": {"zoo": record if isinstance(record, str) else json.dumps(record)},
        "w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
    }
    raw = json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw + bytes(4)


@pytest.fixture
def lay(
    write_plugin: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """Return a function that writes a row, and a mirror that has its file."""
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ZOO_LOCK", str(tmp_path / "zoo.lock"))
    monkeypatch.setenv("ZOO_MIRRORS", str(tmp_path / "mirror"))

    def run(edit: dict[str, Any], record: Any = RECORD) -> Path:
        data = _safetensors(record)
        (tmp_path / "mirror").mkdir()
        (tmp_path / "mirror" / "one.safetensors").write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        write_plugin("pair", weights_row("one", data, **{"metrics": [METRIC], **edit}))
        return tmp_path / "cache" / "weights" / digest / "one.safetensors"

    return run


def _run(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


def test_a_row_as_it_was_published_is_taken_everywhere(lay: Callable[..., Path]) -> None:
    path = lay({})

    assert _run("download", "one").stdout == f"{path}\n"
    assert _run("verify", "one").exit_code == _run("verify").exit_code == 0
    assert json.loads(_run("list", "--json").stdout)[0]["state"] == "ok"
    assert "differs" not in _run("info", "one").output


@pytest.mark.parametrize("case", EDITS)
def test_an_edited_row_is_refused_where_used_and_marked_where_listed(
    lay: Callable[..., Path], case: str
) -> None:
    """Download, verify and the file's own look-up refuse it; list and info mark it."""
    from zoo.errors import ManifestError
    from zoo.weights import find_weights, find_weights_file

    edit, in_row, in_file = EDITS[case]
    path = lay(edit)
    key = next(iter(edit))

    fetched = _run("download", "one")
    verified, all_verified = _run("verify", "one"), _run("verify")
    listed, shown = _run("list"), _run("info", "one", "--json")
    with pytest.raises(ManifestError) as raised:
        find_weights_file(find_weights("one"))

    assert (fetched.exit_code, fetched.stdout) == (1, "")
    assert path.is_file()
    assert verified.exit_code == all_verified.exit_code == 1
    assert "row differs" in verified.stdout
    assert "row differs" in all_verified.stdout
    assert listed.exit_code == shown.exit_code == 0
    assert "differs" in listed.stdout
    for told in (fetched.stderr, verified.stderr, listed.stderr, str(raised.value)):
        line = next(one for one in told.splitlines() if one.startswith(f"  {key}: "))
        row_says, _, file_says = line.partition(", the file ")
        assert in_row in row_says
        assert in_file in file_says
        assert f"the file itself can be used: {path}" in told
    found = json.loads(shown.stdout)[0]["differs_from_its_file"]
    assert [(in_row in one["row"], in_file in one["file"]) for one in found] == [(True, True)]


def test_several_edits_are_told_each(lay: Callable[..., Path]) -> None:
    """A metric under another name is one that the file lacks, and one that the row leaves out."""
    lay({"licence": "MIT", "parameters": 9, "metrics": [{**METRIC, "name": "iou"}]})

    told = _run("download", "one").stderr

    metric = "0.9123456789012345 ('d', 'test', 'true', 'zoo test')"
    assert [line for line in told.splitlines() if line.startswith("  ")] == [
        "  licence: the row says 'MIT', the file 'Apache-2.0'",
        "  parameters: the row says 9, the file 4",
        f"  metrics: the row says 'iou' {metric}, the file no such metric",
        f"  metrics: the row says no such metric, the file 'dice' {metric}",
    ]


def test_a_file_that_the_cache_of_the_user_has_is_compared(
    lay: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where ZOO_CACHE names none: the folder that platformdirs gives, found without it."""
    import platformdirs

    path = lay({"licence": "MIT"})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ZOO_CACHE")
    own = platformdirs.user_cache_path("zoo") / "weights" / path.parent.name / path.name
    own.parent.mkdir(parents=True)
    own.write_bytes((tmp_path / "mirror" / path.name).read_bytes())

    assert f"the file itself can be used: {own}" in _run("list").stderr


@pytest.mark.parametrize(
    "record",
    [
        "",
        "{",
        "[" * 100_000,
        "[]",
        '{"metrics": ' + "9" * 5000 + "}",
        "\x1b[2J",
        '{"a": "\\ud800"}',
    ],
    ids=["empty", "torn", "deep", "a list", "escape", "surrogate", "digits"],
)
def test_a_file_whose_record_cannot_be_read_stops_no_listing(
    lay: Callable[..., Path], record: str
) -> None:
    """Whoever opens the model says what is wrong with it."""
    lay({}, record)
    _run("download", "one")

    for words in (["list"], ["info", "one"], ["verify", "one"]):
        done = _run(*words)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        assert "\x1b" not in done.output

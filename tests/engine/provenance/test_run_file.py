# SPDX-License-Identifier: Apache-2.0
"""``run.json`` as a document: what is written is read back, and what is hostile is refused."""

from __future__ import annotations

import copy
import json
import math
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from zoo.engine.provenance.repository import Repository
from zoo.engine.provenance.run_file import (
    Measured,
    Provenance,
    read_provenance,
    write_provenance,
)
from zoo.engine.provenance.session import Session
from zoo.errors import DataError

SESSION = Session(
    started="2026-01-02T03:04:05+00:00",
    command="zoo train x.py --data DIR",
    config_file="x.py",
    config_sha256="0" * 64,
    seed=3,
    is_deterministic=True,
    data=({"parts": ["train"], "name": "x.X", "digest": "1" * 64},),
    hardware={"cpu": "a", "cores": 2, "gpus": []},
    packages={"python": "3.11.7"},
    plugins={"x": "0.1.0"},
    repository=Repository("2" * 40, is_dirty=None, remote="https://example.org/x.git"),
    first_step=5,
    resumed_from="iter_5.pth",
    ended="2026-01-02T03:05:05+00:00",
    outcome="failed",
    error={"kind": "DataError", "message": "cannot open"},
    seconds=60.5,
    last_step=9,
    peak_bytes={"main": 5},
)
WHOLE = Provenance((SESSION,), Measured(7, {"dice": 0.5}), Measured(9, {"dice": None}))


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    """Every value survives; a value that is not finite is one without a result."""
    write_provenance(tmp_path, WHOLE)
    assert read_provenance(tmp_path) == WHOLE

    write_provenance(tmp_path, Provenance((SESSION,), last=Measured(9, {"dice": math.nan})))
    assert read_provenance(tmp_path) == Provenance((SESSION,), last=Measured(9, {"dice": None}))
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_sessions_of_a_run_that_starts_very_often_are_bounded(tmp_path: Path) -> None:
    """The first and the last ones stay; those dropped are counted, and their time is not lost."""
    starts = [replace(SESSION, first_step=start, seconds=1.5) for start in range(70)]
    record = Provenance(starts[:1])
    for start in starts[1:]:
        write_provenance(tmp_path, record)
        found = read_provenance(tmp_path)
        assert found is not None
        record = replace(found, sessions=(*found.sessions, start))
    write_provenance(tmp_path, record)
    at_once = tmp_path / "at_once"
    write_provenance(at_once, Provenance(starts))

    for folder in (tmp_path, at_once):
        found = read_provenance(folder)
        assert found is not None
        kept = [session.first_step for session in found.sessions]
        assert kept == [*range(5), *range(50, 70)]
        assert found.dropped.sessions == 45
        assert found.seconds == json.loads((folder / "run.json").read_text())["seconds"] == 105.0


def test_folder_without_the_file_has_none(tmp_path: Path) -> None:
    """Runs of earlier versions have no such file."""
    assert read_provenance(tmp_path) is None


def test_keys_of_a_later_version_are_left_out(tmp_path: Path) -> None:
    """A file that says more is no damaged one."""
    document = WHOLE.to_json() | {"later": 1}
    document["sessions"][0] |= {"later": [1]}
    (tmp_path / "run.json").write_text(json.dumps(document))

    assert read_provenance(tmp_path) == WHOLE


def mutations() -> Iterator[tuple[str, bytes]]:
    """Yield a name and the bytes of files, each with one thing wrong."""
    plain = json.loads(json.dumps(WHOLE.to_json()))
    wrong: list[Any] = [[], {"a": {}}, "\0", -1, 1.5, True, "x" * 200_000, 2**70, [[[]]]]
    keeps = {"ended", "started", "outcome", "steps", "seconds"}  # derived, not read
    keeps |= {"dropped"}  # of earlier files there is none
    for key in sorted(plain.keys() - keeps - {"metrics"}):
        yield f"no {key}", json.dumps({k: v for k, v in plain.items() if k != key}).encode()
    for key in ("started", "config_sha256", "data", "hardware", "packages", "plugins"):
        for value in (*wrong, None):
            if (key, value) in (("hardware", {"a": {}}), ("data", []), ("data", [[[]]])):
                continue
            changed = copy.deepcopy(plain)
            changed["sessions"][0][key] = value
            yield f"{key}={value!r:.20}", json.dumps(changed).encode()
    for key, value in [
        ("command", 1),
        ("seed", "1"),
        ("is_deterministic", "yes"),
        ("repository", []),
        ("repository", {"commit": "../x"}),
        ("outcome", "fine"),
        ("ended", "yesterday"),
        ("seconds", -1),
        ("last_step", -1),
        ("first_step", None),
        ("error", {"kind": 1}),
        ("peak_bytes", {"main": "5"}),
        ("data", [{"name": "x", "parts": ["all"]}]),
        ("data", [{"name": "x", "parts": [], "digest": "5"}]),
        ("data", [[]]),
    ]:
        changed = copy.deepcopy(plain)
        changed["sessions"][0][key] = value
        yield f"{key}={value!r:.20}", json.dumps(changed).encode()
    for value in ({"values": {}}, {"step": 1, "values": {"a": "b"}}, {"step": -1, "values": {}}, 5):
        yield f"best={value}", json.dumps(plain | {"metrics": {"best": value}}).encode()
    yield "no sessions", json.dumps(plain | {"sessions": []}).encode()
    yield "list", b"[]"
    yield "empty", b""
    yield "no JSON", b"{"
    yield "deep", b"[" * 100_000
    yield "UTF-16", json.dumps(plain).encode("utf-16")
    yield "twice", b'{"schema": "zoo.run/1", "schema": "zoo.run/1"}'
    yield "schema", json.dumps(plain | {"schema": "zoo.run/2"}).encode()
    yield "many", b"[" + b"1," * 3_000_000 + b"1]"


@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in mutations()])
def test_hostile_file_gives_one_message(tmp_path: Path, data: bytes) -> None:
    """One sentence, the file, and a hint that leads out."""
    (tmp_path / "run.json").write_bytes(data)

    with pytest.raises(DataError) as caught:
        read_provenance(tmp_path)

    assert caught.value.message.startswith("cannot read 'run.json': ")
    assert len(caught.value.message) < 400
    assert caught.value.message.count("\n") == 0
    assert caught.value.where == str(tmp_path / "run.json")
    assert str(caught.value.hint).startswith("remove the file")
    (tmp_path / "run.json").unlink()
    assert read_provenance(tmp_path) is None


RICH = replace(
    SESSION,
    data=(
        {
            "parts": ["train", "val"],
            "name": "x.X",
            "plugin": "x",
            "dataset": "X",
            "version": "1",
            "labels": "true",
            "licence": "CC0",
            "digest": "1" * 64,
            "options": {"a": 1},
            "splits": {"train": {"count": 3, "groups": 2, "digest": "a" * 64}},
        },
    ),
    hardware={
        "cpu": "a",
        "cores": 2,
        "threads": 1,
        "memory_bytes": 5,
        "gpus": ["b"],
        "system": "s",
        "device": "cpu",
        "processes": 1,
        "workers": 0,
    },
)
WRONG: list[Any] = [
    *(None, True, -1, 1.5, 2**62, "x", "\ud800", "\x1b[2J"),
    *([], [[]], [{}], {}, {"a": {}}, {"a": 5}),
]


def places(node: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to every value of a JSON tree."""
    rows = node.items() if isinstance(node, dict) else ()
    for key, part in enumerate(node) if isinstance(node, list) else rows:
        yield (*place, key)
        yield from places(part, (*place, key))


@pytest.mark.mm
@pytest.mark.slow
def test_value_of_any_type_at_any_place_is_read_or_refused(tmp_path: Path) -> None:
    """And what is read can be published, printed and written."""
    from mmengine.config import Config

    from zoo.engine.work_dir.run_facts import RunFacts

    whole = json.loads(json.dumps(replace(WHOLE, sessions=(RICH,)).to_json()))
    config = Config({})
    read = refused = 0
    for place in places(whole):
        for value in (*WRONG, "absent"):
            document = copy.deepcopy(whole)
            node = document
            for key in place[:-1]:
                node = node[key]
            node[place[-1]] = value
            if value == "absent":
                del node[place[-1]]
            (tmp_path / "run.json").write_text(json.dumps(document))
            try:
                found = read_provenance(tmp_path)
            except DataError as error:
                assert error.message.isprintable(), (place, value)  # noqa: PT017
                refused += 1
                continue
            assert found is not None
            facts = RunFacts(config, "a", Path("a.pth"), tmp_path, {"name": "x"}, made_by=found)
            published = [facts.provenance(), found.to_json()]
            assert json.dumps(published, ensure_ascii=False).encode(), (place, value)
            read += 1
    assert min(read, refused) > 200


@pytest.mark.parametrize("kind", ["folder", "pipe", "lost link"])
def test_name_that_is_no_file_gives_one_message(tmp_path: Path, kind: str) -> None:
    """Nothing waits for a pipe."""
    path = tmp_path / "run.json"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path / "no")

    with pytest.raises(DataError, match=r"cannot read 'run\.json'"):
        read_provenance(tmp_path)


def test_texts_are_safe_to_print(tmp_path: Path) -> None:
    """What a file says cannot move the cursor of a terminal."""
    document = json.loads(json.dumps(WHOLE.to_json()).replace("zoo train", r"\u001b[2J"))
    document["sessions"][0]["hardware"] = {"cpu\x1b": "\x1b[2J", "gpus": ["\u202e"]}
    document["metrics"]["best"]["values"] = {"\x1b[2J": 1.0}
    (tmp_path / "run.json").write_text(json.dumps(document))

    found = read_provenance(tmp_path)

    assert found is not None
    assert "\x1b" not in str(found.to_json())
    assert "\u202e" not in json.dumps(found.to_json(), ensure_ascii=False)

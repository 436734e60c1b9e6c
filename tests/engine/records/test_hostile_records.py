# SPDX-License-Identifier: Apache-2.0
"""Thousands of generated records: none runs anything, and none takes more than its budget.

The generator is ``hostile_records.py``, the harness with its audit hooks ``record_harness.py``. All
of them at once: ``python tests/engine/records/record_harness.py FOLDER --all``.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import ZooError

pytestmark = pytest.mark.mm

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from hostile_records import BASES, CONTROLS, hostile_records  # noqa: E402

MOST_MB, MOST_S = 512, 100  # of a picture of 70 x 50 px; the machine may be busy


def _run(folder: Path, records: list[str], *off: str) -> list[dict[str, Any]]:
    """Return what each record did in one process of the harness."""
    switches = [part for name in off for part in ("--off", name)]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(HERE / "record_harness.py"), str(folder), *switches],
        input="".join(f"{record}\n" for record in records),
        capture_output=True,
        text=True,
        check=False,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(records), done.stderr[-2000:]
    return answers


@pytest.mark.slow
def test_generated_record_is_refused_in_our_words() -> None:
    """A sample of 500 held against the list; what it lets through is predicted below."""
    everything = list(hostile_records())

    refusals = [_refusal(text) for _, text in random.Random(3).sample(everything, 500)]

    assert len(everything) > 5000
    assert len({name for name, _ in everything}) > 2500
    assert 0 < refusals.count(None) < 25
    for error in filter(None, refusals):
        assert error.hint, error
        assert len(error.message) < 1000
        assert error.message.isprintable(), error.message


def _refusal(text: str) -> ZooError | None:
    from zoo.engine.records.checks import check_record
    from zoo.engine.records.record import parse_record

    try:
        check_record(parse_record(text, "here"), "here")
    except ZooError as error:
        return error
    return None


@pytest.mark.slow
def test_generated_record_runs_nothing_and_stays_within_the_budget(tmp_path: Path) -> None:
    """600 in one process, under audit hooks: built, loaded and predicted where they pass."""
    records = random.Random(7).sample(list(hostile_records(1)), 600)
    records += [(task, json.dumps(record)) for task, record in BASES.items()]

    answers = _run(tmp_path, [text for _, text in records])

    for (name, text), answer in zip(records, answers, strict=True):
        said = f"{name}: {answer}\n{text}"
        assert answer["events"] == [], said
        assert answer["outcome"] in ("refused", "predicts"), said
        assert answer["mb"] < MOST_MB, said
        assert answer["seconds"] < MOST_S, said
    assert [answer["outcome"] for answer in answers[-2:]] == ["predicts", "predicts"]


@pytest.mark.slow
def test_harness_sees_what_happens_where_nothing_protects(tmp_path: Path) -> None:
    """Each control does its harm with the protections off: so the test above can fail."""
    records = [text for _, text in CONTROLS.values()]

    answers = dict(
        zip(CONTROLS, _run(tmp_path, records, "list", "registries", "budget"), strict=True)
    )

    for event in ("os.system", "subprocess.Popen", "import"):
        assert any(one.startswith(event) for one in answers[event]["events"]), answers
    assert answers["memory"]["mb"] > MOST_MB


@pytest.mark.slow
def test_each_line_of_defence_holds_without_the_list(tmp_path: Path) -> None:
    """The list is off: registries alone stop what would run, and the budget what would fill."""
    answers = _run(tmp_path, [text for _, text in CONTROLS.values()], "list")

    told = [event for answer in answers for event in answer["events"]]
    assert not [one for one in told if one.startswith(("os.system", "subprocess", "import this"))]
    assert [answer["outcome"] for answer in answers] == ["refused"] * len(CONTROLS)
    assert answers[-1]["mb"] < MOST_MB


_SITE = """
import os, sys

_CODE = ("os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect")


def _see(event, args):
    if event in _CODE and not any("uname" in str(one) or "git" in str(one) for one in args):
        with open({log!r}, "a") as file:
            file.write(f"{{event}} {{args!r}}\\n")


sys.addaudithook(_see)
"""


@pytest.mark.slow
@pytest.mark.parametrize("command", ["predict", "info", "publish", "test", "verify"])
def test_command_on_a_hostile_file_runs_nothing(tmp_path: Path, command: str) -> None:
    """Every command that takes weights ends without an event, and all but info with a message."""
    from safetensors.torch import save_file
    from torch import zeros

    path, log = tmp_path / "evil.safetensors", tmp_path / "events.txt"
    image = tmp_path / "a.png"
    save_file({"a": zeros(2)}, path, metadata={"zoo": CONTROLS["os.system"][1]})
    (tmp_path / "sitecustomize.py").write_text(_SITE.format(log=str(log)))
    (tmp_path / "c.py").write_text("model = dict(type='mmseg.UNet')\n")
    import cv2
    import numpy as np

    cv2.imwrite(str(image), np.zeros((8, 8, 3), np.uint8))
    arguments = {
        "predict": [str(path), str(image), "--out", str(tmp_path / "out")],
        "info": [str(path)],
        "publish": [str(path), "--name", "x", "--out", str(tmp_path / "out")],
        "test": [str(tmp_path / "c.py"), str(path)],
        "verify": [str(path)],
    }[command]

    done = subprocess.run(
        [sys.executable, "-m", "zoo", command, *arguments],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    # What info prints of a record is read as text: nothing is built, and nothing is refused.
    assert done.returncode in ((0,) if command == "info" else (1, 2)), done
    assert not log.exists(), log.read_text()
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "canary").exists()

# SPDX-License-Identifier: Apache-2.0
"""What ``zoo train`` writes about a run into ``run.json``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import DataError

pytestmark = pytest.mark.mm


@pytest.fixture
def train(
    squares: Path, squares_config: Path, squares_data: Path, tmp_path: Path
) -> Callable[..., dict[str, Any]]:
    """Return a function that trains the squares' config and returns its ``run.json``."""
    from zoo.engine.runs.training import train

    def run(*options: str, **more: Any) -> dict[str, Any]:
        given = {"data": squares_data, "work_dir": tmp_path / "run", "cfg_options": options}
        train(squares_config, **given | more)
        return read(tmp_path / "run")

    return run


def read(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "run.json").read_text("utf-8"))
    return found


def test_finished_run_says_what_it_was_made_of(
    train: Callable[..., dict[str, Any]],
    tmp_path: Path,
    squares_data: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Config, data, versions, machine, steps and metrics; equal to what other sources say.

    What is installed is listed once.
    """
    import mmengine
    import torch

    from zoo.engine.provenance import surroundings

    listed: list[str] = []
    list_all = surroundings.distributions
    monkeypatch.setattr(surroundings, "distributions", lambda: listed.append("") or list_all())

    found = train("randomness.seed=7")

    (session,) = found["sessions"]
    assert listed == [""]
    assert (found["schema"], found["outcome"], found["steps"]) == ("zoo.run/1", "finished", 6)
    assert found["started"] == session["started"] <= found["ended"] == session["ended"]
    assert (session["first_step"], session["last_step"], session["seed"]) == (0, 6, 7)
    assert session["command"] == ("zoo train squares.py --data DIR --cfg-options randomness.seed=7")
    assert (tmp_path / "run" / session["config_file"]).is_file()
    (data,) = session["data"]
    prepared = json.loads((squares_data / "dataset.json").read_text())
    assert (data["parts"], data["digest"]) == (["train", "val", "test"], prepared["digest"])
    assert data["licence"] == "CC0-1.0"
    assert session["packages"]["torch"] == torch.__version__
    assert session["packages"]["mmengine"] == mmengine.__version__
    assert session["plugins"]["squares"] == "0.1.0"
    assert session["hardware"]["cores"] <= (os.cpu_count() or 1)
    assert session["hardware"]["device"] in ("cpu", "cuda:0")
    assert 50e6 < session["peak_bytes"]["main"] < session["hardware"]["memory_bytes"]
    assert 0 < session["seconds"] == found["seconds"] < 600
    best = found["metrics"]["best"]
    assert (best["step"], best) == (6, found["metrics"]["last"])
    log = next((tmp_path / "run").glob("*/vis_data/scalars.json")).read_text().splitlines()
    assert best["values"]["mDice"] == json.loads(log[-1])["mDice"]


def test_digest_of_the_config_is_that_of_a_published_record(
    train: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    """So that a file and the run that made it can be matched; places change nothing."""
    from zoo.engine.work_dir.run_facts import find_run

    found = train()

    facts = find_run(tmp_path / "run").provenance()
    assert facts["config_sha256"] == found["sessions"][0]["config_sha256"]
    session = found["sessions"][0]
    assert facts["versions"]["torch"] == session["packages"]["torch"]
    assert facts["seconds"] == round(found["seconds"])
    assert session["hardware"]["gpus"] or facts["machine"].startswith(session["hardware"]["cpu"])


def test_resumed_run_adds_a_session_and_a_new_one_begins_anew(
    train: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    """The sessions of one run follow each other; a damaged file does not stop it."""
    train("train_cfg.max_iters=3")
    found = train(resume=True)

    first, second = found["sessions"]
    assert (first["last_step"], second["first_step"], second["last_step"]) == (3, 3, 6)
    assert (first["resumed_from"], second["resumed_from"]) == (None, "iter_3.pth")
    assert first["config_sha256"] != second["config_sha256"]
    assert found["seconds"] == pytest.approx(first["seconds"] + second["seconds"], abs=0.01)

    (tmp_path / "run" / "run.json").write_text('{"schema": "zoo.run/1", "sessions": "none"}')
    found = train("train_cfg.max_iters=7", resume=True)
    assert [each["first_step"] for each in found["sessions"]] == [6]


def test_failed_run_says_why_without_places(
    train: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    """The kind of the error and its message; paths are cut to their last part."""
    with pytest.raises(DataError):
        train("train_dataloader.dataset.dataset.ann_file=splits/no.txt")

    found = read(tmp_path / "run")
    assert (found["outcome"], found["steps"]) == ("failed", 0)
    assert found["sessions"][0]["error"]["kind"] == "DataError"
    assert "no.txt" in found["sessions"][0]["error"]["message"]
    assert str(tmp_path.parent) not in json.dumps(found)
    assert found["metrics"] == {"best": None, "last": None}


def test_secrets_of_the_command_are_left_out(
    train: Callable[..., dict[str, Any]], tmp_path: Path, squares_data: Path
) -> None:
    """Home paths and tokens in addresses appear nowhere in the file."""
    import zoo

    name = "https://user:hunter2@example.org/x.pth?token=hunter2"
    train(f"notes={name}", "place=/home/someone/secret-folder/x.txt")

    text = (tmp_path / "run" / "run.json").read_text()
    assert "hunter2" not in text
    assert "secret-folder" not in text
    assert str(squares_data) not in text
    made_by = zoo.read_run(tmp_path / "run").provenance
    assert made_by is not None
    assert made_by.latest.outcome == "finished"


_SCRIPT = """
import os, signal, sys
from pathlib import Path
import zoo
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

@HOOKS.register_module()
class Ends(Hook):
    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == 3:
            os.kill(os.getpid(), getattr(signal, sys.argv[4]))

if __name__ == "__main__":
    zoo.train(sys.argv[1], data=sys.argv[2], work_dir=sys.argv[3],
        cfg_options=["custom_hooks.0.type=Ends", "default_hooks.checkpoint.interval=2",
            "train_cfg.val_interval=2", "default_hooks.logger.log_metric_by_epoch=False"])
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "ended"), [("SIGKILL", (None, 2)), ("SIGINT", ("stopped", 4))], ids=str
)
def test_run_that_is_ended_by_a_signal_keeps_its_beginning(
    squares: Path,
    squares_config: Path,
    squares_data: Path,
    tmp_path: Path,
    name: str,
    ended: tuple[Any, Any],
) -> None:
    """A kill leaves ``ended`` null, and what was known at the last checkpoint; Ctrl-C an end.

    A resumed run goes on with that: nothing that was known is lost.
    """
    from zoo.engine.runs.training import train

    config = squares_config.with_name("hooked.py")
    config.write_text(f"{squares_config.read_text()}\ncustom_hooks = [dict(type='Ends')]\n")
    script = tmp_path / "script.py"
    script.write_text(_SCRIPT)
    words = [config, squares_data, tmp_path / "run", name]

    done = subprocess.run(
        [sys.executable, str(script), *map(str, words)], capture_output=True, check=False
    )

    found = read(tmp_path / "run")
    assert done.returncode != 0
    assert (found["outcome"], found["steps"]) == ended, done.stderr.decode()[-2000:]
    assert (found["ended"] is None) == (name == "SIGKILL")
    assert found["sessions"][0]["seed"] == 0
    assert found["metrics"]["last"]["step"] == 2
    assert found["metrics"]["best"]["values"]["mDice"] >= 0
    assert 0 < found["seconds"] == found["sessions"][0]["seconds"]
    assert found["sessions"][0]["peak_bytes"]["main"] > 50e6
    where: dict[str, Any] = {"data": squares_data, "work_dir": tmp_path / "run", "max_steps": 5}
    train(squares_config, **where, resume=True, other_config=True)
    again = read(tmp_path / "run")
    assert again["sessions"][0] == found["sessions"][0]
    assert [each["last_step"] for each in again["sessions"]] == [ended[1], 5]
    assert again["seconds"] > found["seconds"]


def test_folder_that_cannot_hold_the_file_ends_no_run(
    squares: Path,
    squares_config: Path,
    squares_data: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A run goes on without it, and says so."""
    from zoo.engine.runs.training import train

    (tmp_path / "run" / "run.json" / "x").mkdir(parents=True)

    result = train(squares_config, data=squares_data, work_dir=tmp_path / "run", max_steps=2)

    assert result.last_checkpoint == tmp_path / "run" / "iter_2.pth"
    assert "cannot write" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        *("session_facts.find_repository", "session_facts.digest_of_config"),
        *("session_facts.licence_of", "provenance_file.write_provenance"),
        *("provenance_file.read_run", "provenance_file.surroundings.find_owners"),
        *("provenance_file.surroundings.describe_hardware", "provenance_file.memory.workers_bytes"),
        *("provenance_file.surroundings.describe_plugins",),
    ],
)
def test_nothing_that_fails_while_a_run_is_recorded_ends_it(
    train: Callable[..., dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
) -> None:
    """Whatever part it is: one warning, and the checkpoint is there."""

    def fail(*given: Any, **more: Any) -> Any:
        message = "something\nunforeseen"
        raise LookupError(message)

    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    monkeypatch.setattr(f"zoo.engine.recording.{name}", fail)

    train(max_steps=2)

    told = [text for text in caplog.messages if "run.json" in text]
    assert len(told) == 1
    assert told[0].endswith("run.json: something")
    assert (tmp_path / "run" / "iter_2.pth").is_file()


def test_digest_of_the_config_does_not_depend_on_where_the_run_was(
    train: Callable[..., dict[str, Any]], tmp_path: Path, squares_data: Path
) -> None:
    """The same config on a copy of the data in another folder has the same digest."""
    first = train("train_cfg.max_iters=1")["sessions"][0]
    shutil.rmtree(tmp_path / "run")
    shutil.copytree(squares_data, tmp_path / "elsewhere" / "data")

    second = train("train_cfg.max_iters=1", data=tmp_path / "elsewhere" / "data")["sessions"][0]

    assert first["config_sha256"] == second["config_sha256"]
    assert first["data"] == second["data"]

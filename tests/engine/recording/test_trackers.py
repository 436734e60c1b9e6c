# SPDX-License-Identifier: Apache-2.0
"""``--track``: what the trackers' own readers find, and that training does not notice them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from zoo.engine.recording.guarded_backend import GuardedBackend
from zoo.engine.recording.trackers import Tracker, parse_trackers
from zoo.errors import ConfigError

pytestmark = pytest.mark.mm


@pytest.fixture
def train(squares: Path, squares_config: Path, squares_data: Path) -> Callable[..., Any]:
    """Return a function that trains the squares' config in a folder."""
    from zoo.engine.runs.training import train

    def run(folder: Path, *track: str, steps: int = 6, **more: Any) -> Any:
        given = {"data": squares_data, "work_dir": folder, "track": track}
        options = [f"train_cfg.max_iters={steps}", "train_cfg.val_interval=3"]
        return train(squares_config, cfg_options=options, **(given | more))

    return run


def logged(folder: Path) -> list[dict[str, Any]]:
    files = sorted(folder.glob("*/vis_data/scalars.json"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def weights_of(path: Path) -> dict[str, Any]:
    from zoo.engine.checkpoints.checkpoint import load_checkpoint

    return load_checkpoint(path).state_dict


def test_tensorboard_reads_losses_metrics_and_pictures(
    train: Callable[..., Any], tmp_path: Path
) -> None:
    """By TensorBoard's own reader; equal to the log, and to the weights of a run without it."""
    event = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

    plain = train(tmp_path / "plain")
    tracked = train(tmp_path / "tracked", "tensorboard")

    found = event.EventAccumulator(str(tmp_path / "tracked" / "tensorboard"), {"images": 0})
    found.Reload()
    losses = {each.step: each.value for each in found.Scalars("loss")}
    assert losses == {
        record["step"]: pytest.approx(record["loss"])
        for record in logged(tmp_path / "tracked")
        if "loss" in record
    }
    assert "mDice" in found.Tags()["scalars"]
    pictures = found.Tags()["images"]
    assert len(pictures) == 2
    assert all(name.startswith("validation/s") for name in pictures)
    assert [each.step for each in found.Images(pictures[0])] == [3, 6]
    assert found.Images(pictures[0])[0].encoded_image_string.startswith(b"\x89PNG")
    first, second = (weights_of(run.last_checkpoint) for run in (plain, tracked))
    assert all(first[name].equal(second[name]) for name in first)
    digests = [
        json.loads((tmp_path / name / "run.json").read_text())["sessions"][0]["config_sha256"]
        for name in ("plain", "tracked")
    ]
    assert digests[0] == digests[1]


def test_config_that_a_tracker_shows_has_no_secrets(
    train: Callable[..., Any], squares_config: Path, tmp_path: Path
) -> None:
    """All that a reader of TensorBoard finds, of every kind; other values stay."""
    event = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    squares_config.write_text(
        f"{squares_config.read_text()}\nstore = dict(api_key='hunter2', size=(64, 65), "
        "address='https://me:hunter2@example.org/x?sig=hunter2', words=['--token hunter2'])\n"
    )

    train(tmp_path / "run", "tensorboard", steps=1)

    found = event.EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    found.Reload()
    (text,) = found.Tensors("config/text_summary")[0].tensor_proto.string_val
    assert "example.org" in text.decode()
    assert "64, 65" in " ".join(text.decode().split())
    written = b"".join(path.read_bytes() for path in (tmp_path / "run/tensorboard").iterdir())
    assert b"hunter2" not in written


def test_resumed_run_goes_on_in_the_same_folder(train: Callable[..., Any], tmp_path: Path) -> None:
    """TensorBoard shows one run with all steps."""
    event = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

    train(tmp_path / "run", "tensorboard", steps=3)
    train(tmp_path / "run", "tensorboard", resume=True)

    found = event.EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    found.Reload()
    assert [each.step for each in found.Scalars("loss")] == [2, 4, 6]


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("tensorbord", "cannot track the run with 'tensorbord': expected one of tensorboard, "),
        ("", "cannot track the run with '': expected one of"),
        ("tensorboard=http://x", "cannot track the run with 'tensorboard' at an address"),
        ("wandb=http://x", "cannot track the run with 'wandb' at an address"),
        ("mlflow=", "cannot track the run with 'mlflow' at '': expected an address"),
        ("mlflow=ftp://x", "cannot track the run with 'mlflow' at 'ftp://x': expected an address"),
        ("mlflow=127.0.0.1:5000", "cannot track the run with 'mlflow' at '127.0.0.1:5000'"),
        ("mlflow=http://[", "cannot track the run with 'mlflow' at 'http://['"),
        ("mlflow=http://me:hunter2@x", "its address holds a user or a password"),
        ("mlflow=mysql://me:hunter2@x/a", "cannot track the run with 'mlflow' at 'mysql://x/a'"),
        ("mlflow=me:hunter2@x", "cannot track the run with 'mlflow' at 'x': expected an address"),
    ],
)
def test_words_that_name_no_tracker_are_refused(word: str, found: str) -> None:
    """Before anything is read; a secret is not repeated."""
    with pytest.raises(ConfigError) as caught:
        parse_trackers([word])

    assert found in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("kind", ["tensorboard", "mlflow", "wandb"])
def test_package_that_is_missing_is_named(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the line that installs it."""
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(
        "zoo.engine.recording.trackers.find_spec",
        lambda name: None if name == kind else real(name),
    )

    with pytest.raises(ConfigError, match=f"cannot track the run with '{kind}': its package") as e:
        parse_trackers([kind])

    assert str(e.value.hint).startswith("pip install ")


def test_tracker_named_twice_is_told_once() -> None:
    pytest.importorskip("tensorboard")

    assert parse_trackers(["tensorboard", "tensorboard"]) == [Tracker("tensorboard")]


def test_mlflow_keeps_one_run_of_two_sessions(train: Callable[..., Any], tmp_path: Path) -> None:
    """In its file store, read by MLflow's own client; needs ``pip install mlflow-skinny``."""
    mlflow = pytest.importorskip("mlflow")

    train(tmp_path / "run", "mlflow", steps=3)
    train(tmp_path / "run", "mlflow", resume=True)

    client = mlflow.MlflowClient(f"file://{tmp_path / 'run' / 'mlflow'}")
    names_of = {each.name: each.experiment_id for each in client.search_experiments()}
    (run,) = client.search_runs([names_of["Default"]])
    assert (run.info.run_name, run.info.status) == ("run", "FINISHED")
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [each.step for each in history] == [2, 4, 6]
    names = [each.path for each in client.list_artifacts(run.info.run_id)]
    assert {"config.py", "validation"} <= set(names)


def test_wandb_keeps_its_id_in_offline_mode(
    train: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing leaves the machine; needs ``pip install wandb``."""
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")

    train(tmp_path / "run", "wandb", steps=3)
    train(tmp_path / "run", "wandb", resume=True)

    name = json.loads((tmp_path / "run" / "tracked.json").read_text())["wandb"]
    folders = list((tmp_path / "run" / "wandb").glob(f"offline-run-*-{name}"))
    assert len(folders) == 2
    assert all(list(folder.glob(f"run-{name}.wandb")) for folder in folders)


def test_server_that_is_not_there_is_named(
    train: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One message with the address; needs ``pip install mlflow-skinny``."""
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    with pytest.raises(ConfigError, match=r"cannot track the run with 'mlflow' at http://127\."):
        train(tmp_path / "run", "mlflow=http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "request to http://me:hunter2@example.org/a failed.\nHeaders: hunter2",
            "request to http://example.org/a failed",
        ),
        (f"{'x' * 280} http://me:hunter2@example.org/a", f"{'x' * 280} http://example.org"),
        ("401 for Authorization: ApiKey hunter2", "401 for Authorization: ***"),
        ("\nhunter2", "RuntimeError"),
        ("", "RuntimeError"),
    ],
)
def test_failure_of_a_client_is_told_without_its_secrets(
    caplog: pytest.LogCaptureFixture, said: str, told: str
) -> None:
    """One line: the address that it could not reach may hold a user and a password."""

    class Client:
        def add_scalar(self) -> None:
            raise RuntimeError(said)

    guarded = GuardedBackend("mlflow", Client())
    for _ in range(2):
        guarded.add_scalar()

    (message,) = caplog.messages
    assert message.startswith(f"mlflow is not told of the rest of the run: {told}")
    assert "hunter2" not in message
    assert "\n" not in message


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "calls", "error"),
    [
        ("add_scalar", 1, OSError(28, "No space left on device")),
        ("add_scalar", 2, ConnectionResetError("the server went away\nand more")),
        ("add_image", 0, RuntimeError("no.")),
    ],
    ids=str,
)
def test_tracker_that_fails_in_mid_run_ends_nothing(
    train: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    method: str,
    calls: int,
    error: Exception,
) -> None:
    """One warning; the client is asked no more; training ends in the weights of a plain run."""
    writer = pytest.importorskip("torch.utils.tensorboard").SummaryWriter
    asked: list[str] = []
    for each in ("add_scalar", "add_image"):
        original = getattr(writer, each)

        def failing(self: Any, *given: Any, _parts: Any = (each, original), **more: Any) -> None:
            asked.append(_parts[0])
            if _parts[0] == method and asked.count(method) > calls:
                raise error
            _parts[1](self, *given, **more)

        monkeypatch.setattr(writer, each, failing)

    tracked = train(tmp_path / "tracked", "tensorboard")
    plain = train(tmp_path / "plain")

    (told,) = [text for text in caplog.messages if text.startswith("tensorboard")]
    assert told.startswith("tensorboard is not told of the rest of the run: ")
    assert told.count("\n") == 0
    assert asked.count(method) == calls + 1
    assert asked[-1] == method
    assert tracked.metrics == plain.metrics
    first, second = (weights_of(run.last_checkpoint) for run in (plain, tracked))
    assert all(first[name].equal(second[name]) for name in first)


@pytest.mark.slow
def test_mlflow_server_that_ends_in_mid_run_ends_nothing(
    train: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A real client, whose server refuses after some answers; needs ``mlflow-skinny``."""
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with brief_server(tmp_path / "artifacts", answers=9) as address:
        result = train(tmp_path / "run", f"mlflow={address}")

    assert result.steps == 6
    assert "MLFLOW_TRACKING_URI" not in os.environ  # a later run goes where it is told to
    (told,) = [text for text in caplog.messages if text.startswith("mlflow")]
    assert told.startswith("mlflow is not told of the rest of the run: ")


@contextmanager
def brief_server(folder: Path, *, answers: int) -> Iterator[str]:
    """Serve what MLflow's client asks at the start; after so many answers, only errors."""
    run = {"run_id": "1" * 32, "experiment_id": "0", "run_name": "run", "status": "RUNNING"}
    run |= {"artifact_uri": folder.as_uri(), "lifecycle_stage": "active"}
    found = {
        "run": {"info": run, "data": {}},
        "experiment": {"experiment_id": "0", "name": "Default", "lifecycle_stage": "active"},
    }
    left = iter(range(answers))

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            is_up = next(left, None) is not None
            self.send_response(200 if is_up else 500)
            self.end_headers()
            self.wfile.write(json.dumps(found).encode() if is_up else b"gone")

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_command_takes_trackers() -> None:
    """``zoo train --track`` names what it takes, and refuses the rest before torch is loaded."""
    done = subprocess.run(
        [sys.executable, "-m", "zoo", "train", "x.py", "--track", "nothing"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ZOO_PLUGINS": ""},
    )

    assert done.returncode == 1
    assert (
        "cannot track the run with 'nothing': expected one of tensorboard, mlflow, wandb."
        in done.stderr
    )

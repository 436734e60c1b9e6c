# SPDX-License-Identifier: Apache-2.0
"""``--track``: what the log has, and some predictions, to TensorBoard, MLflow or Weights & Biases.

The trackers join mmengine's visualizer when the run is built. They are no part of the config: its
digest, and what a resumed run is compared with, do not depend on them.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mmengine.dist import is_main_process
from mmengine.hooks import Hook

from zoo.documents import DocumentError, Limits, read_json
from zoo.engine.provenance.public_texts import public_values, without_secrets
from zoo.engine.random_state import kept_random_state
from zoo.engine.recording.guarded_backend import GuardedBackend, reason_of_client
from zoo.engine.recording.validation_pictures import ValidationPictures
from zoo.errors import ConfigError
from zoo.files import open_whole

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.runner import Runner

__all__ = ["TRACKERS", "Tracker", "parse_trackers", "tracking_run"]

_LOG = logging.getLogger("zoo")
TRACKERS = {"tensorboard": "tensorboard", "mlflow": "mlflow-skinny", "wandb": "wandb"}
"""Name -> the distribution that brings its package."""

_NOTE = "tracked.json"
_LIMITS = Limits(size_bytes=2**16)
# MLflow's client alone would stop a run for minutes before it says that its server is away.
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
_PREFIX = "zoo_"  # of the names of our backends in the visualizer


@dataclass(frozen=True, slots=True)
class Tracker:
    """Where a run is told.

    Attributes:
        kind: One of `TRACKERS`.
        address: Of MLflow's server, or None for its own default.
    """

    kind: str
    address: str | None = None


def parse_trackers(given: Sequence[str]) -> list[Tracker]:
    """Return the trackers that words name; their packages are there.

    Args:
        given: ``tensorboard``, ``wandb``, ``mlflow`` or ``mlflow=ADDRESS``.

    Raises:
        ConfigError: One is unknown, has an address that it cannot use, or lacks its package.
    """
    return list(dict.fromkeys(_parse(word) for word in given))


def _parse(word: str) -> Tracker:
    kind, sign, address = word.partition("=")
    if kind not in TRACKERS:
        message = f"cannot track the run with {kind!r}: expected one of {', '.join(TRACKERS)}."
        raise ConfigError(message, where="--track", hint="use e.g. --track tensorboard.")
    if sign:
        _check_address(kind, address)
    if find_spec(kind) is None:
        message = f"cannot track the run with {kind!r}: its package is not installed."
        raise ConfigError(message, where="--track", hint=f"pip install {TRACKERS[kind]}")
    return Tracker(kind, address if sign else None)


def _check_address(kind: str, address: str) -> None:
    if kind != "mlflow":
        message = f"cannot track the run with {kind!r} at an address: expected {kind} alone."
        raise ConfigError(message, where="--track", hint=f"use --track {kind}.")
    try:
        parts = urlsplit(address)
        has_secret = "@" in parts.netloc
    except ValueError:
        parts, has_secret = urlsplit(""), False
    if parts.scheme not in ("http", "https", "file") or not (parts.netloc or parts.path):
        shown = without_secrets(address) if re.search("[@?]", address) else address
        message = f"cannot track the run with 'mlflow' at {shown!r}: expected an address that "
        message += "begins with http://, https:// or file://."
        hint = "use --track mlflow=http://127.0.0.1:5000, or --track mlflow for a folder."
        raise ConfigError(message, where="--track", hint=hint)
    if has_secret:
        message = "cannot track the run with 'mlflow': its address holds a user or a password, "
        message += "which the list of processes shows to everybody."
        hint = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD instead."
        raise ConfigError(message, where="--track", hint=hint)


@contextmanager
def tracking_run(runner: Runner, trackers: Sequence[Tracker]) -> Iterator[None]:
    """Tell trackers of the run inside the block; on the main process only.

    A resumed run continues what its first start has begun, whose names ``tracked.json`` in the work
    dir keeps. No random number that training would draw is drawn. A tracker that fails once the run
    has begun is told nothing more; the log says so, and training goes on.

    Args:
        runner: The runner that trains inside the block, newly built.
        trackers: As `parse_trackers` returns them.

    Raises:
        ConfigError: A tracker cannot be reached at the start.
    """
    if not trackers or not is_main_process():
        yield
        return
    names = _read_names(Path(runner.work_dir)) if runner._resume else {}
    with ExitStack() as stack:
        # MLflow's client sets it, and the next run of this process would be told to that server.
        stack.enter_context(_variable("MLFLOW_TRACKING_URI", None))
        for tracker in trackers:
            with kept_random_state(), _explaining(tracker):
                guarded = GuardedBackend(tracker.kind, _start(tracker, runner, names))
            stack.callback(_end, tracker, guarded)
            runner.visualizer._vis_backends[f"{_PREFIX}{tracker.kind}"] = guarded
        _write_names(Path(runner.work_dir), names)
        runner.register_hook(ValidationPictures(), priority="LOWEST")
        # mmengine ends its backends in after_run, in ways that new versions of some do not know.
        runner.register_hook(_Leaves(), priority="HIGHEST")
        yield


class _Leaves(Hook):
    """Takes the trackers out of the visualizer before it closes; the block ends them."""

    def after_run(self, runner: Runner) -> None:
        """Take them out.

        Args:
            runner: The runner that calls the hook.
        """
        backends = runner.visualizer._vis_backends
        for name in [name for name in backends if name.startswith(_PREFIX)]:
            del backends[name]


@contextmanager
def _explaining(tracker: Tracker) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # whatever a client of a server raises
        place = f" at {without_secrets(tracker.address)}" if tracker.address else ""
        reason = reason_of_client(error)
        message = f"cannot track the run with {tracker.kind!r}{place}: {reason}."
        hint = "start its server, or leave --track out."
        raise ConfigError(message, where="--track", hint=hint) from error


def _start(tracker: Tracker, runner: Runner, names: dict[str, str]) -> Any:
    """Return a backend that has begun, and put what names its run into ``names``."""
    from mmengine.visualization import (
        MLflowVisBackend,
        TensorboardVisBackend,
        WandbVisBackend,
    )

    folder = Path(runner.work_dir)
    if tracker.kind == "tensorboard":
        backend: Any = TensorboardVisBackend(save_dir=str(folder / "tensorboard"))
        backend.add_config(_public(runner.cfg))
        return backend
    if tracker.kind == "wandb":
        run = names.setdefault("wandb", secrets.token_hex(4))
        settings = {"id": run, "resume": "allow", "name": folder.name, "dir": str(folder)}
        backend = WandbVisBackend(save_dir=str(folder), init_kwargs=settings)
        assert backend.experiment is not None  # noqa: S101 - begins it
        return backend
    address = tracker.address or os.environ.get("MLFLOW_TRACKING_URI")
    if address is None:  # MLflow 3 asks whoever keeps runs in a folder to say so
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    for name, value in _PATIENCE.items():
        os.environ.setdefault(name, value)
    backend = MLflowVisBackend(
        save_dir=str(folder / "mlflow"),
        run_name=folder.name,
        tracking_uri=address,
        artifact_suffix=(),
        tracked_config_keys={},
    )
    with _variable("MLFLOW_RUN_ID", names.get("mlflow")):  # continues that run
        active = backend.experiment.active_run() or backend.experiment.start_run()
    names["mlflow"] = active.info.run_id
    backend.add_config(_public(runner.cfg))
    return backend


def _public(config: Config) -> Config:
    """Return a config without passwords and tokens: a server shows it to others."""
    return type(config)(public_values(config.to_dict(), places=True))


@contextmanager
def _variable(name: str, value: str | None) -> Iterator[None]:
    """Set a variable of the environment, unless the value is None; afterwards it is as it was."""
    before = os.environ.get(name)
    if value is not None:
        os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before


def _end(tracker: Tracker, backend: GuardedBackend) -> None:
    """End a tracker; one that has failed before does not tell of it again."""
    retries = "0" if backend.is_off else None  # nor waits for its server again
    try:
        with _variable("MLFLOW_HTTP_REQUEST_MAX_RETRIES", retries):
            if tracker.kind == "wandb":
                backend.experiment.finish()
            else:
                backend.backend.close()
    except Exception as error:  # noqa: BLE001 - as in `_explaining`
        if not backend.is_off:
            reason = reason_of_client(error)
            _LOG.warning("%s could not end its record: %s", tracker.kind, reason)


def _read_names(folder: Path) -> dict[str, str]:
    try:
        found = read_json(folder / _NOTE, _LIMITS)
    except (OSError, DocumentError):
        return {}
    rows = found.items() if isinstance(found, dict) else ()
    return {kind: name for kind, name in rows if kind in TRACKERS and isinstance(name, str)}


def _write_names(folder: Path, names: dict[str, str]) -> None:
    path = folder / _NOTE
    try:
        with open_whole(path, path.with_name(f".{_NOTE}.part")) as stream:
            stream.write(f"{json.dumps(names)}\n".encode())
    except OSError as error:
        _LOG.warning("cannot write %s: %s", path, error.strerror or error)

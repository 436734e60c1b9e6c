# SPDX-License-Identifier: Apache-2.0
"""Ray started quietly: on this machine, or the cluster of ``RAY_ADDRESS``; nothing is sent home."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zoo
from zoo.errors import ConfigError, PluginError

__all__ = ["Cluster", "check_installed", "started"]

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_worker_niceness": "0",  # a trial is as important as a run of its own
    "RAY_TQDM_PATCH_PRINT": "0",  # it would exchange the print of this process for its own
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # zoo's own ends every command in one way
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # the last report of a trial has no value
}
_STORE_BYTES = 200 * 2**20
_STARTS = 4
_MOST_PATH = 60
"""Characters of the folder of Ray's sockets, whose whole paths may have 107."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """What Ray may use.

    Attributes:
        cpus: CPUs.
        gpus: GPUs.
        memory_bytes: Main memory that its processes may take.
    """

    cpus: int
    gpus: int
    memory_bytes: int


def check_installed() -> None:
    """Refuse to begin without Ray.

    Raises:
        PluginError: It is not installed, or cannot be imported.
    """
    os.environ.update({name: os.environ.get(name, value) for name, value in _QUIET.items()})
    try:
        import ray  # noqa: F401
    except ImportError as error:
        message = f"cannot run on Ray: {type(error).__name__}: {error}."
        hint = 'pip install "mmzoo-ray-runs[ray]"'
        raise PluginError(message, plugin="ray_runs", hint=hint) from error


@contextlib.contextmanager
def started() -> Iterator[Cluster]:
    """Start Ray, or connect to the cluster of ``RAY_ADDRESS``, and yield what it has.

    Raises:
        ConfigError: It cannot be started or reached.
    """
    import ray

    address = os.environ.get("RAY_ADDRESS")
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    folder = None if address else _make_folder()
    local = {
        "address": "local",
        "num_cpus": zoo.find_machine().cpus,
        "include_dashboard": False,
        "object_store_memory": _STORE_BYTES,
        "_temp_dir": str(folder),
    }
    try:
        with _keeping_signals():
            _init(address, {"address": address} if address else local)
        found = ray.cluster_resources()
        cpus, gpus, memory = (int(found.get(key, 0)) for key in ("CPU", "GPU", "memory"))
        yield Cluster(cpus, gpus, memory)
    finally:
        ray.shutdown()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def _init(address: str | None, options: Mapping[str, Any]) -> None:
    import ray

    for attempt in range(_STARTS):
        try:
            ray.init(**options, log_to_driver=False, logging_level=logging.CRITICAL)
        except Exception as error:
            ray.shutdown()
            # On a busy machine its processes may take longer than it waits.
            if attempt + 1 == _STARTS or "timed out" not in str(error):
                raise _not_started(address, error) from error
        else:
            return


@contextlib.contextmanager
def _keeping_signals() -> Iterator[None]:
    """Set the handlers of signals again in the end: Ray has its own, which end the process."""
    numbers = [getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP")]
    before = {number: signal.getsignal(number) for number in numbers if number is not None}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)


def _make_folder() -> Path:
    """Return a new folder for Ray's sockets and logs, with a path that is short enough."""
    place = tempfile.gettempdir()
    if len(place) > _MOST_PATH and os.path.isdir("/tmp"):  # noqa: S108 - mkdtemp's own is private
        place = "/tmp"  # noqa: S108
    return Path(tempfile.mkdtemp(prefix="zoo-ray-", dir=place))


def _not_started(address: str | None, error: Exception) -> ConfigError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    if address:
        message = f"cannot reach the Ray cluster {address!r}: {reason}."
        return ConfigError(message, hint="correct RAY_ADDRESS, or unset it to use this machine.")
    return ConfigError(f"cannot start Ray: {reason}.", hint="free some memory, and try again.")

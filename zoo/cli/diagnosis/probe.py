# SPDX-License-Identifier: Apache-2.0
"""Import packages and plugins in a process of its own: an import may raise, exit, hang or crash.

The parent sends jobs as JSON on stdin, and gets a line before and after each.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["main"]


def main() -> None:
    """Do the jobs of stdin in order, and tell on stdout what came out."""
    work = json.load(sys.stdin)
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):  # what modules print is no finding
        os.dup2(nothing, stream)
    has_failed = bool(work["has_failed"])
    for number, job in work["jobs"]:
        print(json.dumps({"starts": number}), file=out, flush=True)
        if job["kind"] == "target" and has_failed:
            result: dict[str, Any] = {"left_out": True}
        else:
            with warnings.catch_warnings(action="ignore"):  # what upstream warns of is no finding
                result = _guarded(_JOBS[job["kind"]], job)
        has_failed |= "error" in result and job["kind"] == "import"
        print(json.dumps({"ends": number, "result": result}), file=out, flush=True)
    out.flush()
    os._exit(0)  # threads and handlers of what was imported have no say in it


def _guarded(
    run: Callable[[dict[str, Any]], dict[str, Any]], job: dict[str, Any]
) -> dict[str, Any]:
    try:
        return run(job)
    except BaseException as error:  # noqa: BLE001 - code that is not ours runs
        text = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return {
            "error": type(error).__name__,
            "text": text,
            "whole": str(error)[:4_000],
            "missing": getattr(error, "name", None) if isinstance(error, ImportError) else None,
            "is_import_error": isinstance(error, ImportError),
            "is_not_found": isinstance(error, ModuleNotFoundError),
            "culprit": _culprit(error),
        }


def _culprit(error: BaseException) -> str | None:
    """Return the top-level package of the code that failed, the innermost one."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    names = [str(frame.f_globals.get("__name__", "")) for frame in frames]
    tops = [name.partition(".")[0] for name in names]
    ours = {"zoo", "importlib", "_frozen_importlib", "__main__", ""}
    return next((top for top in reversed(tops) if top not in ours), None)


def _import(job: dict[str, Any]) -> dict[str, Any]:
    importlib.import_module(job["module"])
    return {}


def _torch(_: dict[str, Any]) -> dict[str, Any]:
    import torch

    names = []
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(each) for each in range(torch.cuda.device_count())]
    return {
        "threads": torch.get_num_threads(),
        "version": torch.__version__,
        "cuda": torch.version.cuda,
        "devices": names,
    }


def _ops(_: dict[str, Any]) -> dict[str, Any]:
    from zoo._extension import find_ops_source

    source = find_ops_source()
    if source is not None:
        try:
            importlib.import_module("mmcv._ext")
        except (ImportError, OSError, RuntimeError) as error:  # built for another torch
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            return {"source": source, "reason": reason}
    return {"source": source}


def _target(job: dict[str, Any]) -> dict[str, Any]:
    from zoo.catalog import PluginRecord
    from zoo.errors import LoadError, PluginError
    from zoo.loading import load_target
    from zoo.manifest.reading import read_manifest

    path = Path(job["manifest"])
    try:
        record = PluginRecord(job["plugin"], read_manifest(path), path, job["source"])
        load_target(record, job["target"])
    except PluginError as error:
        return {
            "refused": error.message,
            "where": "" if error.where is None else str(error.where),
            "hint": error.hint,
            "is_load_error": isinstance(error, LoadError),
        }
    return {}


def _check(job: dict[str, Any]) -> dict[str, Any]:
    from zoo.engine.plugin_checks import doctor_findings

    # Without a limit: whoever reads what this process tells ends it, by what it computes.
    found = doctor_findings(timeout_s=None, plugin=job["plugin"], check=job["check"])
    names = ("level", "found", "where", "mend")
    return {"findings": [{name: getattr(each, name) for name in names} for each in found]}


_JOBS = {"import": _import, "torch": _torch, "ops": _ops, "target": _target, "check": _check}

# SPDX-License-Identifier: Apache-2.0
"""The machine: Python, the folders that zoo writes to, and the device for tensors."""

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from zoo.cli.diagnosis.finding import Finding
from zoo.errors import DownloadError, SourceError

__all__ = ["compute_findings", "folder_findings", "python_finding", "source_findings"]

_LOW_BYTES = 2 * 10**9
"""A run keeps checkpoints of some hundred MB each."""
_OTHER_CACHE = "export ZOO_CACHE=FOLDER, with a folder that you may write to"
_DRIVER = Path("/proc/driver/nvidia/version")


def python_finding() -> Finding:
    """Return whether this Python is one that OpenMMLab runs on."""
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if (3, 11) <= sys.version_info < (3, 14):
        return Finding("python", "ok", found)
    return Finding("python", "broken", found, "use Python 3.11, 3.12 or 3.13")


def folder_findings() -> Iterator[Finding]:
    """Yield whether weights can be put into the cache, and runs into the current folder."""
    from zoo.weights import cache_folder

    try:
        cache = cache_folder()
    except DownloadError as error:
        yield Finding("cache", "broken", error.message, _OTHER_CACHE)
    else:
        yield _folder("cache", cache, _OTHER_CACHE)
    try:
        here = Path.cwd()
    except OSError:
        yield Finding("folder", "warning", "the current folder is gone", "cd to another folder")
        return
    yield _folder("folder", here, "cd to a folder that you may write to, or give --work-dir")


def source_findings() -> Iterator[Finding]:
    """Yield the state of the index of each source of weights that the user has added."""
    from zoo.weights.sources.book import read_book

    try:
        sources = read_book().values()
    except SourceError as error:
        yield Finding("sources", "broken", error.message, (error.hint or "").rstrip("."))
        return
    for source in sources:
        found = f"{source.rows:,} {'row' if source.rows == 1 else 'rows'}"
        if not source.marks:
            yield Finding(f"source {source.name}", "ok", found)
            continue
        fix = f"zoo source update {source.name}" if source.is_expired else None
        yield Finding(
            f"source {source.name}", "warning", f"{found}, {', '.join(source.marks)}", fix
        )


def _folder(name: str, folder: Path, fix: str) -> Finding:
    """Return whether a folder is writable, tested with a temporary file."""
    place = next((each for each in (folder, *folder.parents) if each.exists()), folder)
    try:
        with tempfile.TemporaryFile(dir=place) as stream:
            stream.write(b"zoo")
            stream.flush()
        free_bytes = shutil.disk_usage(place).free
    except OSError as error:
        # A team may share a read-only cache, and a run may be written elsewhere.
        is_served = name != "cache" or any(folder.glob("*/*"))
        state = "warning" if is_served and place.is_dir() else "broken"
        return Finding(name, state, f"{folder} cannot be written: {error.strerror or error}", fix)
    found = f"{folder}, {free_bytes / 1e9:,.1f} GB free"
    if free_bytes < _LOW_BYTES:
        return Finding(name, "warning", found, "free some space on that disk")
    return Finding(name, "ok", found)


def compute_findings() -> Iterator[Finding]:
    """Yield the device for tensors and the implementation of mmcv's ops; imports torch."""
    import torch

    threads = f"cpu ({torch.get_num_threads()} threads)"
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(each) for each in range(torch.cuda.device_count())]
        yield Finding("device", "ok", f"cuda: {', '.join(names)}, with CUDA {torch.version.cuda}")
    elif _DRIVER.exists() and torch.version.cuda is None:
        found = f"{threads}: a GPU's driver is here, and this torch is built for the CPU alone"
        version = torch.__version__.partition("+")[0]
        fix = f'pip install --force-reinstall "torch=={version}"'
        yield Finding("device", "warning", found, fix)
    else:
        built = f"; built for CUDA {torch.version.cuda}, no GPU is seen"
        yield Finding("device", "ok", threads + (built if torch.version.cuda else ""))
    yield from _ops_findings()


def _ops_findings() -> Iterator[Finding]:
    from importlib import import_module

    from zoo._extension import find_ops_source

    source = find_ops_source()
    if source is None:
        return
    found = "zoo.ops, in plain torch" if source == "zoo.ops" else f"compiled: {source}"
    try:
        import_module("mmcv._ext")
    except (ImportError, OSError, RuntimeError) as error:  # built for another torch
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        fix = 'pip uninstall -y mmcv && pip install "mmcv-lite>=2.1,<2.2"'
        yield Finding("mmcv ops", "broken", f"{found}; import fails: {reason}", fix)
    else:
        yield Finding("mmcv ops", "ok", found)

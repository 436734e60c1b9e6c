# SPDX-License-Identifier: Apache-2.0
"""``zoo doctor``: what works on this machine, what does not, and what mends it."""

from __future__ import annotations

import importlib
import platform
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version

import click

from zoo.cli.output.errors import ZooCommand
from zoo.cli.output.printing import say

__all__ = ["Finding", "command"]

_INSTALL = 'pip install -c constraints.txt ".[mm]"   (or: pip install "mmzoo[mm]")'
# Module -> the distributions that may bring it: upstream's, and its maintained fork's.
_STACK = {
    "torch": ("torch",),
    "numpy": ("numpy",),
    "cv2": ("opencv-python", "opencv-python-headless"),
    "mmengine": ("mmengine", "onedl-mmengine"),
    "mmcv": ("mmcv", "onedl-mmcv", "mmcv-lite"),
    "mmseg": ("mmsegmentation", "onedl-mmsegmentation"),
    "mmdet": ("mmdet", "onedl-mmdetection"),
    "pkg_resources": ("setuptools",),
    "safetensors": ("safetensors",),
    "matplotlib": ("matplotlib",),
}
_MENDS = {
    "pkg_resources": 'pip install "setuptools<82"',
    "cv2": "apt-get install libgl1 libglib2.0-0   (or: pip install opencv-python-headless)",
}
# mmseg and mmdet assert that mmcv's version suits them; NumPy's other ABI is one of the others.
_IMPORT_FAILURES = (
    AssertionError,
    AttributeError,
    ImportError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: What.
        state: ``ok``, ``missing`` (not installed) or ``broken``.
        found: The version, device or reason.
        mend: The one command that mends it, or None.
    """

    name: str
    state: str
    found: str
    mend: str | None = None


@click.command("doctor", cls=ZooCommand)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Say what works on this machine, what does not, and the one command that mends it.

    Exits 1 if anything is broken; what is merely not installed is named.
    """
    from zoo.cli.output.tables import print_rows

    findings = [*_environment(), *_stack(), *_compute(), *_plugins()]
    rows = [asdict(finding) for finding in findings]
    print_rows(rows, ["name", "state", "found"], as_json=as_json)
    if not as_json:
        for mend in dict.fromkeys(finding.mend for finding in findings if finding.mend):
            names = [finding.name for finding in findings if finding.mend == mend]
            say("", f"to mend {', '.join(names)}:", f"  {mend}")
    if any(finding.state == "broken" for finding in findings):
        ctx.exit(1)


def _environment() -> Iterator[Finding]:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if (3, 11) <= sys.version_info < (3, 14):
        yield Finding("python", "ok", found)
    else:
        yield Finding("python", "broken", found, "use Python 3.11, 3.12 or 3.13")
    yield Finding("mmzoo", "ok", _version_of(("mmzoo",)) or "run from a checkout, not installed")


def _stack() -> Iterator[Finding]:
    for module, distributions in _STACK.items():
        found = _version_of(distributions)
        if found is None:
            yield Finding(module, "missing", "not installed", _INSTALL)
            continue
        try:
            importlib.import_module(module)
        except _IMPORT_FAILURES as error:
            text = (str(error).strip().splitlines() or [type(error).__name__])[0]
            reason = f"{found}; import fails: {text}"
            yield Finding(module, "broken", reason, _MENDS.get(module, _INSTALL))
        else:
            yield Finding(module, "ok", found)


def _compute() -> Iterator[Finding]:
    """Yield where tensors run and which implementation of mmcv's ops is in use."""
    if _version_of(_STACK["torch"]) is None or "torch" not in sys.modules:
        return  # not there, or it was tried above and is broken
    import torch

    if torch.cuda.is_available():
        device = f"cuda ({torch.cuda.get_device_name()})"
    else:
        device = f"cpu ({torch.get_num_threads()} threads)"
    yield Finding("device", "ok", device)
    from zoo._extension import find_ops_source

    source = find_ops_source()
    if source is not None:
        is_ours = source == "zoo.ops"
        found = "zoo.ops, in plain torch" if is_ours else f"compiled: {source}"
        yield Finding("mmcv ops", "ok", found)


def _plugins() -> Iterator[Finding]:
    from zoo.catalog import read_catalog
    from zoo.errors import IncompatibleError, PluginError
    from zoo.manifest.requirements import check_requirements

    for record in read_catalog().plugins:
        name = f"plugin {record.name}"
        try:
            manifest = record.checked()
            check_requirements(manifest.requires, plugin=record.name, manifest=manifest.path)
        except IncompatibleError as error:
            state = "missing" if error.found is None else "broken"
            yield Finding(name, state, error.message, error.hint)
        except PluginError as error:
            yield Finding(name, "broken", error.message, error.hint)
        else:
            yield Finding(name, "ok", f"{manifest.version} ({record.source})")


def _version_of(distributions: tuple[str, ...]) -> str | None:
    """Return the name and version of the first distribution that is installed."""
    for distribution in distributions:
        try:
            return f"{distribution} {version(distribution)}"
        except PackageNotFoundError:
            continue
    return None

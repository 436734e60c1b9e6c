# SPDX-License-Identifier: Apache-2.0
"""The device for tensors, and the implementation of mmcv's operators."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from zoo.cli.diagnosis.finding import Finding, not_checked
from zoo.cli.diagnosis.mend import pip_mend, shown
from zoo.cli.diagnosis.packages import LITE

__all__ = ["device_findings", "ops_findings"]

_DRIVER = Path("/proc/driver/nvidia/version")
# CUDA's major version -> the first driver for it: CUDA Compatibility, NVIDIA.
_FIRST_DRIVERS = {11: 450, 12: 525, 13: 580}


def device_findings(torch: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the device for tensors.

    Args:
        torch: What the probe ``torch`` told: threads, version, CUDA and devices.
    """
    if "late" in torch:
        yield not_checked("device", torch["late"])
        return
    if {"error", "ended"} & torch.keys():
        found = f"torch cannot tell: {torch.get('text') or torch['ended']}"
        yield Finding("device", "broken", found, shown("check the GPU with nvidia-smi"))
        return
    if not torch.get("version"):
        return
    threads, cuda = f"cpu ({torch['threads']} threads)", torch["cuda"]
    driver = _driver()
    if torch["devices"]:
        yield Finding("device", "ok", f"cuda: {', '.join(torch['devices'])}, with CUDA {cuda}")
    elif driver is None:
        built = f"; built for CUDA {cuda}, no GPU is seen" if cuda else ""
        yield Finding("device", "ok", threads + built)
    elif cuda is None:
        found = f"{threads}: a GPU's driver is here, and this torch is built for the CPU alone"
        version = torch["version"].partition("+")[0]
        # Not run by --fix: some gigabytes, for a machine whose GPU may be meant for others.
        mend = pip_mend(["install", "--force-reinstall", f"torch=={version}"], may_run=False)
        yield Finding("device", "warning", found, mend)
    else:
        yield _unseen(threads, cuda, driver)


def _unseen(threads: str, cuda: str, driver: str) -> Finding:
    """Return why a torch with CUDA sees no GPU although there is a driver."""
    first = _FIRST_DRIVERS.get(int(cuda.partition(".")[0]), 0)
    if driver and int(driver.partition(".")[0]) < first:
        found = f"{threads}: built for CUDA {cuda}, which needs the driver {first} or newer, "
        mend = f"install the driver {first} or newer, or a torch that is built for an older CUDA"
        return Finding("device", "warning", f"{found}found {driver}", shown(mend))
    found = f"{threads}: built for CUDA {cuda}, and the driver {driver} shows no GPU"
    mend = "see what nvidia-smi says, and whether CUDA_VISIBLE_DEVICES hides the GPU"
    return Finding("device", "warning", found, shown(mend))


def _driver() -> str | None:
    """Return the version of the GPU's driver; empty if it cannot be read, None without one."""
    try:
        text = _DRIVER.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = re.search(r"\b\d{3,4}\.\d+(?:\.\d+)?\b", text)
    return found[0] if found else ""


def ops_findings(ops: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield which operators mmcv uses: compiled ones, or zoo's.

    Args:
        ops: What the probe ``ops`` told: the source, and why it cannot be used.
    """
    if "late" in ops:
        yield not_checked("mmcv ops", ops["late"])
        return
    if {"error", "ended"} & ops.keys():
        reason = f"compiled; import fails: {ops.get('text') or ops['ended']}"
    elif not ops.get("source"):
        return
    else:
        own = ops["source"] == "zoo.ops"
        reason = "zoo.ops, in plain torch" if own else f"compiled: {ops['source']}"
        if "reason" not in ops:
            yield Finding("mmcv ops", "ok", reason)
            return
        reason += f"; import fails: {ops['reason']}"
    mend = pip_mend(["uninstall", "-y", "mmcv"], ["install", LITE])
    yield Finding("mmcv ops", "broken", reason, mend)

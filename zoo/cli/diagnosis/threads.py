# SPDX-License-Identifier: Apache-2.0
"""The CPUs of this process, and whether the threads that are set suit them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from zoo.cli.diagnosis.finding import Finding
from zoo.cli.diagnosis.mend import shown
from zoo.engine.threads.cores import Cores, find_cores
from zoo.engine.threads.defaults import SPINS, stated
from zoo.engine.threads.telling import busy_text

__all__ = ["thread_findings"]

_COUNTS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_LONGEST_SPINS = 100_000


def thread_findings() -> Iterator[Finding]:
    """Yield the CPUs that can be used, and each variable that makes threads get in their way."""
    cores = find_cores()
    faults = [*_count_faults(cores), *_waiting_faults()]
    if not faults:
        yield Finding("threads", "ok", _text(cores))
    for found, line in faults:
        yield Finding("threads", "warning", found, shown(line))


def _text(cores: Cores) -> str:
    found = f"{cores.usable} of {cores.machine} CPUs"
    if cores.usable < cores.allowed:
        found += f" (the container's quota is {cores.quota:g})"
    return found + busy_text(cores)  # it changes from minute to minute, so it is no warning


def _count_faults(cores: Cores) -> Iterator[tuple[str, str]]:
    for name in _COUNTS:
        text = stated(name)
        if not text:
            continue
        mend = f"export {name}={cores.usable}"
        # OMP_NUM_THREADS may list a number for each level of nesting.
        if not re.fullmatch(r"\s*[1-9]\d{0,8}\s*(,\s*[1-9]\d{0,8}\s*)*", text):
            yield f"{name} is {text!r}, expected a number from 1 on", mend
        elif int(text.partition(",")[0]) > cores.usable:
            found = f"{name} is {text}, and this process can use {cores.usable} CPUs: its threads "
            yield f"{found}wait for each other", mend


def _waiting_faults() -> Iterator[tuple[str, str]]:
    spins, policy = stated("GOMP_SPINCOUNT") or "", stated("OMP_WAIT_POLICY") or ""
    found = "threads that wait keep their CPUs busy; beside other work, each step takes longer"
    if spins.lower() in ("infinite", "infinity") or (
        spins.isascii() and spins.isdigit() and int(spins[:12]) > _LONGEST_SPINS
    ):
        yield f"GOMP_SPINCOUNT is {spins}: {found}", f"export GOMP_SPINCOUNT={SPINS}"
    elif not spins and policy.strip().lower() == "active":
        yield f"OMP_WAIT_POLICY is {policy}: {found}", "unset OMP_WAIT_POLICY"

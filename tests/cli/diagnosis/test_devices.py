# SPDX-License-Identifier: Apache-2.0
"""The GPU and its driver, and the Python of the system: machines that no test can be run on."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import pytest

from zoo.cli.diagnosis import devices
from zoo.cli.diagnosis.devices import device_findings
from zoo.cli.diagnosis.environment import environment_findings

# As drivers write it: the closed one, and the open one.
CLOSED = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  {}  Sat Sep 23 03:02:03 UTC 2023\n"
OPEN = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {}  Release Build\n"
CASES = {
    # driver, its text, CUDA of torch, devices: state and what is found
    "a GPU": ("580.95.05", OPEN, "12.8", ["H200"], "ok", "cuda: H200, with CUDA 12.8"),
    "no GPU": (None, "", None, [], "ok", "cpu (2 threads)"),
    "no GPU, torch with CUDA": (None, "", "12.8", [], "ok", "built for CUDA 12.8, no GPU is seen"),
    "torch for the CPU": ("535.104.05", CLOSED, None, [], "warning", "built for the CPU alone"),
    "an old driver": ("470.82.01", CLOSED, "12.8", [], "warning", "the driver 525 or newer"),
    "CUDA 13 on an older driver": (
        *("570.133.20", OPEN, "13.0", []),
        *("warning", "needs the driver 580 or newer, found 570.133.20"),
    ),
    "a driver that fits and shows nothing": (
        *("580.95.05", OPEN, "13.0", []),
        *("warning", "the driver 580.95.05 shows no GPU"),
    ),
    "a driver that cannot be read": ("", "garbage{}", "12.8", [], "warning", "shows no GPU"),
}


@pytest.mark.parametrize("case", CASES)
def test_device_says_whether_driver_and_torch_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    """From what the driver says of itself, and CUDA of the torch that was imported."""
    driver, text, cuda, names, state, found = CASES[case]
    monkeypatch.setattr(devices, "_DRIVER", tmp_path / "version")
    if driver is not None:
        (tmp_path / "version").write_text(text.format(driver))
    facts = {"threads": 2, "version": "2.9.0+x", "cuda": cuda, "devices": names}

    (finding,) = device_findings(facts)

    assert (finding.name, finding.state) == ("device", state)
    assert found in finding.found
    assert finding.mend is None or finding.mend.commands == ()


def test_device_says_that_torch_crashed_while_it_looked_for_a_gpu() -> None:
    """A driver may end the process that asks it."""
    (finding,) = device_findings({"ended": "it ended the process by SIGSEGV"})

    assert finding.state == "broken"
    assert "SIGSEGV" in finding.found


def test_python_of_the_system_that_takes_no_packages_says_how_to_make_an_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Debian marks it, by a file beside its library."""
    (tmp_path / "EXTERNALLY-MANAGED").touch()
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))

    found = {each.name: each for each in environment_findings()}["environment"]

    assert found.state == "warning"
    assert found.mend is not None
    assert "-m venv .venv" in found.mend.text


@pytest.mark.parametrize(
    ("version", "maxsize", "found"),
    [((3, 10, 4), 2**63 - 1, None), ((3, 14, 0), 2**63 - 1, None), (None, 2**31 - 1, "32 bit")],
    ids=["old", "new", "32 bit"],
)
def test_python_that_openmmlab_does_not_run_on_is_broken(
    monkeypatch: pytest.MonkeyPatch,
    version: tuple[int, int, int] | None,
    maxsize: int,
    found: str | None,
) -> None:
    """3.11, 3.12 and 3.13, of 64 bits."""
    if version is not None:
        monkeypatch.setattr(sys, "version_info", version)
    monkeypatch.setattr(sys, "maxsize", maxsize)

    (python,) = (each for each in environment_findings() if each.name == "python")

    assert python.state == "broken"
    assert (found or "") in python.found
    assert python.mend is not None
    assert "3.11, 3.12 or 3.13" in python.mend.text

# SPDX-License-Identifier: Apache-2.0
"""What each launcher says to a process, as torch's variables."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zoo.engine.processes.launched import count_processes, rank_in, read_launched
from zoo.errors import TrainingError

SAID = {
    "pytorch": {"RANK": "3", "WORLD_SIZE": "8", "LOCAL_RANK": "1"},
    "slurm": {"SLURM_PROCID": "3", "SLURM_NTASKS": "8", "SLURM_LOCALID": "1"},
    "mpi": {
        "OMPI_COMM_WORLD_RANK": "3",
        "OMPI_COMM_WORLD_SIZE": "8",
        "OMPI_COMM_WORLD_LOCAL_RANK": "1",
    },
}


@pytest.fixture(autouse=True)
def _variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test begin without the variables of any launcher, and leave none behind."""
    for name in ("MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.setenv(name, "")  # so that what a test sets is undone
        monkeypatch.delenv(name)
    for name in [name for name in os.environ if name.startswith(("SLURM_", "OMPI_"))]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize("launcher", SAID)
def test_variables_of_a_launcher_become_those_of_torch(
    launcher: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SAID[launcher].items():
        monkeypatch.setenv(name, value)

    launched = read_launched(launcher)

    assert (launched.rank, launched.count) == (3, 8)
    assert (rank_in(launcher), count_processes(launcher)) == (3, 8)
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    assert [os.environ[name] for name in names] == ["3", "8", "1", "127.0.0.1", "29500"]


@pytest.mark.parametrize("launcher", SAID)
@pytest.mark.parametrize("value", ["", "one", "-1"])
def test_launcher_that_gives_no_number_is_refused(
    launcher: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *others = SAID[launcher]
    for name in others:
        monkeypatch.setenv(name, "2")
    monkeypatch.setenv(first, value)

    with pytest.raises(TrainingError, match=f"--launcher {launcher}: {first} is not set"):
        read_launched(launcher)


def test_jobs_of_slurm_on_several_machines_meet_at_the_first_by_their_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two jobs on one machine do not take the same port; all processes of one do."""
    (tmp_path / "scontrol").write_text("#!/bin/sh\necho node07\necho node08\n")
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    job = {"SLURM_NNODES": "2", "SLURM_NODELIST": "node[07-08]"}
    for name, value in (SAID["slurm"] | job).items():
        monkeypatch.setenv(name, value)
    ports = []
    for number in ("4711", "4712", "4711"):
        monkeypatch.delenv("MASTER_PORT", raising=False)
        monkeypatch.setenv("SLURM_JOB_ID", number)
        launched = read_launched("slurm")
        assert launched.address == "node07"
        ports.append(launched.port)

    assert ports[0] != ports[1]
    assert ports[0] == ports[2]


def test_address_that_is_set_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SAID["slurm"].items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MASTER_ADDR", "head")
    monkeypatch.setenv("MASTER_PORT", "1234")

    launched = read_launched("slurm")

    assert (launched.address, launched.port) == ("head", 1234)

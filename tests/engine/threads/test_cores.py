# SPDX-License-Identifier: Apache-2.0
"""CPUs of a container, from files as the kernel writes them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zoo.engine.threads.cores import Cores, find_cores, read_quota

V2 = "30 23 0:26 {top} /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = "33 24 0:29 {top} /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu\n"
V1_JOINED = "33 24 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
OTHER = (
    "31 24 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n22 1 8:1 / / rw - ext4 d rw\n"
)
V1_PATHS = "5:memory:/docker/abc\n4:cpu,cpuacct:{path}\n1:name=systemd:/\n"


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def v2(path: str, quotas: dict[str, str], *, top: str = "/") -> dict[str, str]:
    """Return the files of a process in ``path``, and quotas by folder."""
    files = {"proc/self/cgroup": f"0::{path}\n"}
    files["proc/self/mountinfo"] = OTHER + V2.format(top=top)
    for place, text in quotas.items():
        files[f"sys/fs/cgroup{place}/cpu.max"] = text
    return files


def v1(
    path: str, quotas: dict[str, str], *, top: str = "/", joined: bool = False
) -> dict[str, str]:
    folder = "cpu,cpuacct" if joined else "cpu"
    files = {"proc/self/cgroup": V1_PATHS.format(path=path)}
    files["proc/self/mountinfo"] = OTHER + (V1_JOINED if joined else V1.format(top=top))
    for place, micros in quotas.items():
        files[f"sys/fs/cgroup/{folder}{place}/cpu.cfs_quota_us"] = micros
        files[f"sys/fs/cgroup/{folder}{place}/cpu.cfs_period_us"] = "100000\n"
    return files


CASES: dict[str, tuple[dict[str, str], float | None]] = {
    "v2 in a container": (v2("/", {"": "200000 100000\n"}), 2.0),
    "v2 without a limit": (v2("/", {"": "max 100000\n"}), None),
    "v2 of a part of a CPU": (v2("/", {"": "50000 100000\n"}), 0.5),
    "v2 with another period": (v2("/", {"": "30000 20000\n"}), 1.5),
    "v2 nested, the parent's is smaller": (
        v2("/a/b", {"/a": "150000 100000", "/a/b": "400000 100000"}),
        1.5,
    ),
    "v2 nested, only the parent has one": (
        v2("/a/b", {"/a": "300000 100000", "/a/b": "max 100000"}),
        3.0,
    ),
    "v2 with the path of the host": (v2("/kubepods/pod1", {"": "250000 100000"}), 2.5),
    "v2 mounted from the cgroup itself": (
        v2("/kube/pod", {"": "100000 100000"}, top="/kube/pod"),
        1.0,
    ),
    "v2 outside what is mounted": (v2("/../../x", {"": "100000 100000"}), 1.0),
    "v2 torn": (v2("/", {"": "200000"}), None),
    "v2 of words": (v2("/", {"": "many few"}), None),
    "v2 with a period of 0": (v2("/", {"": "100000 0"}), None),
    "v1": (v1("/docker/x", {"/docker/x": "150000\n"}), 1.5),
    "v1 without a limit": (v1("/docker/x", {"/docker/x": "-1\n"}), None),
    "v1 in a container": (v1("/docker/x", {"": "400000\n"}, top="/docker/x"), 4.0),
    "v1 with the path of the host": (v1("/docker/x", {"": "400000\n"}), 4.0),
    "v1 joined with cpuacct": (v1("/j", {"/j": "200000\n"}, joined=True), 2.0),
    "v1 nested": (v1("/a/b", {"/a/b": "-1\n", "/a": "250000\n"}), 2.5),
    "both, v1 has the limit": (
        {
            **v1("/j", {"/j": "200000\n"}),
            "proc/self/cgroup": "3:cpu:/j\n0::/j\n",
            "proc/self/mountinfo": V1.format(top="/") + V2.format(top="/"),
        },
        2.0,
    ),
    "no cgroups": ({}, None),
    "cgroup of other lines": (
        {"proc/self/cgroup": "garbage\n", "proc/self/mountinfo": V2.format(top="/")},
        None,
    ),
    "mounts of other lines": (
        {"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": "garbage - cgroup2\n"},
        None,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_read_quota_of_files_as_the_kernel_writes_them(tmp_path: Path, case: str) -> None:
    """The smallest quota of a process and its parents counts; what cannot be read is none."""
    files, expected = CASES[case]

    assert read_quota(write(tmp_path, files)) == expected


@pytest.mark.parametrize(
    ("allowed", "quota", "usable"),
    [(8, None, 8), (8, 2.0, 2), (8, 2.9, 2), (8, 0.5, 1), (2, 16.0, 2), (1, None, 1)],
)
def test_usable_is_what_affinity_and_quota_both_allow(
    allowed: int, quota: float | None, usable: int
) -> None:
    """At least one; a part of a CPU more is no thread more."""
    assert Cores(64, allowed, quota).usable == usable


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_find_cores_follows_the_affinity_of_the_process() -> None:
    """``taskset`` and Slurm leave a process some of the CPUs."""
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})

        found = find_cores()
    finally:
        os.sched_setaffinity(0, before)

    assert (found.allowed, found.usable) == (1, 1)
    assert found.machine == os.cpu_count()

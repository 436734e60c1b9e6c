# SPDX-License-Identifier: Apache-2.0
"""Memory that is free, as the kernel and a container's limit say it."""

from pathlib import Path

import pytest

import zoo
from zoo.engine.machine import read_free_bytes

GIB = 2**30


def _write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="ascii")
    return root


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 8 * GIB),
        ({"memory.max": "max\n", "memory.current": "5"}, 8 * GIB),
        ({"memory.max": str(4 * GIB), "memory.current": str(GIB)}, 3 * GIB),
        ({"memory.max": str(99 * GIB), "memory.current": "0"}, 8 * GIB),
        ({"memory.max": str(GIB), "memory.current": str(2 * GIB)}, 0),
        ({"memory/memory.limit_in_bytes": str(6 * GIB), "memory/memory.usage_in_bytes": "0"}, 6),
        # Three of four used gigabytes are files that were read.
        (
            {
                "memory.max": str(5 * GIB),
                "memory.current": str(4 * GIB),
                "memory.stat": f"anon {GIB}\nactive_file 7\ninactive_file {3 * GIB}\n",
            },
            4,
        ),
        (
            {
                "memory/memory.limit_in_bytes": str(5 * GIB),
                "memory/memory.usage_in_bytes": str(4 * GIB),
                "memory/memory.stat": f"inactive_file 7\ntotal_inactive_file {2 * GIB}\n",
            },
            3,
        ),
        (
            {
                "memory.max": str(2 * GIB),
                "memory.current": str(GIB),
                "memory.stat": f"inactive_file {9 * GIB}\n",
            },
            2,
        ),
        ({"memory.max": str(GIB), "memory.current": "0", "memory.stat": "inactive_file x"}, 1),
    ],
)
def test_free_memory_is_within_the_limit_of_the_container(
    tmp_path: Path, files: dict[str, str], expected: int
) -> None:
    """cgroup v2 and v1; no limit, or one above what is free, changes nothing."""
    meminfo = f"MemTotal: {16 * GIB // 1024} kB\nMemAvailable: {8 * GIB // 1024} kB\n"
    groups = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}

    found = read_free_bytes(_write(tmp_path, {"proc/meminfo": meminfo, **groups}))

    assert found == (expected if expected > 100 or expected == 0 else expected * GIB)


V2 = "30 23 0:26 {top} /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = "33 24 0:29 {top} /sys/fs/cgroup/{place} rw,relatime - cgroup cgroup rw,{place}\n"
FILES = {1: ("memory.limit_in_bytes", "memory.usage_in_bytes"), 2: ("memory.max", "memory.current")}


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"": (6, 1), "/a": (7, 1), "/a/b": (7, 1)}, 5),
        ({"": (7, 1), "/a": (5, 2), "/a/b": (7, 1)}, 3),
        ({"": (7, 1), "/a": (7, 1), "/a/b": (4, 3)}, 1),
        ({"/a": (2, 0)}, 2),  # the root of a machine has no limit
        ({"/a/b": (2, 5)}, 0),
        ({"/other": (1, 1), "/a/b/c": (1, 1)}, 8),  # of other processes
        ({}, 8),
    ],
)
def test_least_of_nested_limits_counts(
    tmp_path: Path, version: int, limits: dict[str, tuple[int, int]], expected: int
) -> None:
    """That of the process itself or of any group around it, each with what it uses itself."""
    top = "sys/fs/cgroup" if version == 2 else "sys/fs/cgroup/memory"
    files = {
        "proc/meminfo": f"MemAvailable: {8 * GIB // 1024} kB\n",
        "proc/self/cgroup": "0::/a/b\n" if version == 2 else "4:cpu:/x\n9:memory:/a/b\n0::/\n",
        "proc/self/mountinfo": V2.format(top="/")
        if version == 2
        else V1.format(top="/", place="cpu") + V1.format(top="/", place="memory"),
    }
    for place, numbers in limits.items():
        for name, number in zip(FILES[version], numbers, strict=True):
            files[f"{top}{place}/{name}"] = f"{number * GIB}\n"

    assert read_free_bytes(_write(tmp_path, files)) == expected * GIB


def test_limit_of_a_container_mounted_from_its_own_group_counts(tmp_path: Path) -> None:
    """The path of the process is the host's; only what is below it can be seen."""
    files = {
        "proc/meminfo": f"MemAvailable: {8 * GIB // 1024} kB\n",
        "proc/self/cgroup": "0::/docker/1234/inner\n",
        "proc/self/mountinfo": V2.format(top="/docker/1234"),
        "sys/fs/cgroup/inner/memory.max": str(3 * GIB),
        "sys/fs/cgroup/inner/memory.current": "0",
    }

    assert read_free_bytes(_write(tmp_path, files)) == 3 * GIB


def test_free_memory_of_a_system_that_does_not_say_is_above_nothing(tmp_path: Path) -> None:
    assert read_free_bytes(tmp_path) > 0


@pytest.mark.mm
def test_find_machine_says_what_this_one_has() -> None:
    """At least one CPU and some memory; a GPU has both a name and memory, or neither."""
    found = zoo.find_machine()

    assert found.cpus >= 1
    assert found.memory_bytes > 0
    assert bool(found.gpu) == bool(found.gpu_memory_bytes)

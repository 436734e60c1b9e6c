# SPDX-License-Identifier: Apache-2.0
"""How many workers predict at once: as many as there are CPUs or GPUs, images and memory for."""

import pytest
from zoo_ray_runs.mapping import worker_count
from zoo_ray_runs.starting import Cluster

GIB = 2**30


@pytest.mark.parametrize(
    ("cluster", "items", "needs_gpu", "memory_bytes", "expected"),
    [
        (Cluster(16, 0, 64 * GIB), 1000, False, 2 * GIB, 16),
        (Cluster(16, 0, 9 * GIB), 1000, False, 2 * GIB, 4),
        (Cluster(16, 0, GIB), 1000, False, 2 * GIB, 1),  # it may just fit
        (Cluster(16, 0, GIB), 1000, False, 0, 16),  # nobody knows
        (Cluster(16, 0, 64 * GIB), 3, False, 2 * GIB, 3),
        (Cluster(16, 2, 64 * GIB), 1000, True, 2 * GIB, 2),
        (Cluster(16, 2, 3 * GIB), 1000, True, 2 * GIB, 1),
        (Cluster(16, 2, 64 * GIB), 1000, False, 2 * GIB, 16),  # --device cpu
    ],
)
def test_workers_are_bounded_by_what_is_scarcest(
    cluster: Cluster, items: int, needs_gpu: bool, memory_bytes: int, expected: int
) -> None:
    """At least one, whatever there is."""
    found = worker_count(cluster, items, needs_gpu=needs_gpu, memory_bytes=memory_bytes)

    assert found == expected

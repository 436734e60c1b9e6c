# SPDX-License-Identifier: Apache-2.0
"""A spool as a source of Ray Data: one task reads it, no faster than its blocks are taken."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pyarrow
from ray.data import Datasource, ReadTask
from ray.data.block import BlockMetadata

from zoo_ray_runs.spool import Spool

__all__ = ["SpoolSource"]


class SpoolSource(Datasource):  # type: ignore[misc] # Ray is not read by mypy
    """Rows ``block``, each the bytes of several items.

    Args:
        spool: The items.
        size: Items in a row.
    """

    def __init__(self, spool: Spool, size: int) -> None:
        super().__init__()
        self._spool, self._size = spool, size

    @property
    def supports_distributed_reads(self) -> bool:
        """Whether other machines see the file: nobody knows."""
        return False

    def estimate_inmemory_data_size(self) -> int | None:
        """Return None: of a size, Ray makes a number of blocks."""
        return None

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: int | None = None, data_context: Any = None
    ) -> list[ReadTask]:
        """Return the one task.

        Args:
            parallelism: How many Ray would like.
            per_task_row_limit: Rows that are wanted at most, which nobody asks for.
            data_context: Of the data set.
        """
        unknown = {"size_bytes": None, "input_files": None, "exec_stats": None}
        facts = BlockMetadata(num_rows=-(-self._spool.count // self._size), **unknown)
        return [ReadTask(partial(_tables, self._spool, self._size), facts)]


def _tables(spool: Spool, size: int) -> Iterator[pyarrow.Table]:
    for block in spool.blocks(size):
        yield pyarrow.table({"block": pyarrow.array([block], pyarrow.large_binary())})

# SPDX-License-Identifier: Apache-2.0
"""The rows of legacy indexes as frozen values; `zoo.weights.legacy` reads and checks them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

__all__ = ["LegacyMetric", "LegacyRow"]


@dataclass(frozen=True, slots=True)
class LegacyMetric:
    """One value that upstream states; its index does not say which split and protocol.

    Attributes:
        name: Name of the metric.
        value: The value.
        dataset: Data set it was measured on.
        unit: ``percent``, ``fraction``, or empty for a plain number.
    """

    name: str
    value: float
    dataset: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class LegacyRow:
    """A row of a legacy index: a checkpoint that upstream published on a host now offline.

    Attributes:
        name: Name within the plugin.
        task: ``semantic``, ``instance``, or another upstream task (``detection``, ...).
        tasks: All tasks it was measured on.
        config: Name of its config, such as ``mmseg::unet/x.py``, or None if unknown.
        architecture: Upstream's names of its method and parts.
        datasets: Data sets it was measured on.
        metrics: Values that upstream states.
        memory_gb: GPU memory for training, or None.
        url: Former address.
        sha256_prefix: First 8 hex digits of its sha256, or None if unknown.
        note: What is wrong in upstream's facts, or None.
        licence: Licence of the weights, as far as known.
        data_licence: Licence of the data, as far as known.
    """

    kind: ClassVar[str] = "legacy"
    name: str
    task: str
    tasks: tuple[str, ...]
    config: str | None
    architecture: tuple[str, ...]
    datasets: tuple[str, ...]
    metrics: tuple[LegacyMetric, ...]
    memory_gb: float | None
    url: str
    sha256_prefix: str | None
    note: str | None
    licence: str
    data_licence: str

    @property
    def file_name(self) -> str:
        """Return the upstream name of the file."""
        return self.url.rpartition("/")[2]

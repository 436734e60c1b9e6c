# SPDX-License-Identifier: Apache-2.0
"""The rows of a manifest as frozen values; `zoo.manifest.reading` reads and checks them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from zoo.manifest.parameters import Form

__all__ = [
    "UPSTREAM_TASKS",
    "ConfigRow",
    "Contribution",
    "DatasetRow",
    "InitializerRow",
    "LegacyIndexRow",
    "LegacyMetric",
    "LegacyRow",
    "Manifest",
    "MetricValue",
    "Option",
    "WeightsRow",
]

UPSTREAM_TASKS = (
    "semantic",
    "instance",
    "panoptic",
    "video",
    "tracking",
    "detection",
    "proposal",
    "depth",
)
"""What models of legacy indexes do; zoo itself runs the first two."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """One ``[[<kind>]]`` row: a class or function that configs build by name.

    Attributes:
        kind: Key of ``zoo.manifest.kinds.KINDS``.
        name: Name within the plugin; configs write ``zoo.<plugin>.<name>``.
        target: ``package.module:Name`` inside the plugin's own package.
        summary: One line, or None.
        record: Values that the record of a published model may set, by parameter; None if the
            manifest does not state them.
        record_like: An OpenMMLab type whose parameters a record may also set, or None.
    """

    kind: str
    name: str
    target: str
    summary: str | None = None
    record: Mapping[str, Form] | None = None
    record_like: str | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """One ``[[dataset.option]]`` row: an option of ``zoo data prepare`` for the data set.

    Attributes:
        name: Lower case with dashes; the prepare target receives it with underscores.
        type: ``str``, ``int``, ``float``, ``bool``, ``path`` or ``choice``.
        default: Value of that type (a tuple if ``multiple``), or None if not given.
        help: One line.
        choices: Allowed values of a ``choice``; empty for other types.
        multiple: Whether the option may be repeated.
    """

    name: str
    type: str
    default: str | int | float | bool | tuple[str | int | float | bool, ...] | None
    help: str
    choices: tuple[str, ...] = ()
    multiple: bool = False


@dataclass(frozen=True, slots=True)
class DatasetRow(Contribution):
    """A ``[[dataset]]`` row.

    Attributes:
        task: ``semantic`` or ``instance``.
        classes: Class names in the order of their ids, or ``"from data"``.
        labels: ``true``, or ``derived`` if masks were made from something else.
        shares: Default shares of train, val and test, such as ``0.9,0.1,0``; or None.
        licence: Licence of the data, or where to find it.
        prepare: Target of the prepare function, or None.
        init: Target of the function that writes a file to edit before preparing, or None.
        sample: Target of the function that writes a synthetic raw data set, or None.
        options: Options of the prepare function.
    """

    task: str = ""
    classes: tuple[str, ...] | str = ()
    labels: str = "true"
    shares: str | None = None
    licence: str = ""
    prepare: str | None = None
    init: str | None = None
    sample: str | None = None
    options: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True)
class InitializerRow(Contribution):
    """A ``[[weight_initializer]]`` row.

    Attributes:
        pretrained: Whether it loads pretrained weights, so that ``--pretrained none`` skips it;
            False for random initialization.
    """

    pretrained: bool = False


@dataclass(frozen=True, slots=True)
class ConfigRow:
    """A ``[[config]]`` row: a name for a config file inside the package."""

    kind: ClassVar[str] = "config"
    name: str
    file: str
    summary: str | None = None


@dataclass(frozen=True, slots=True)
class MetricValue:
    """One measured value of a weights row, and the data it was measured on."""

    name: str
    value: float
    dataset: str
    split: str
    labels: str
    protocol: str


@dataclass(frozen=True, slots=True)
class WeightsRow:
    """A ``[[weights]]`` row: the facts needed to download, verify and choose weights.

    Attributes:
        name: Name within the plugin.
        task: ``semantic`` or ``instance``.
        config: Name of the config used for training.
        urls: ``https:`` or ``package:<path inside the package>``, in order of preference. A row of
            a manifest has at least one; an adopted legacy checkpoint has none.
        sha256: 64 hex digits, lower case.
        size_bytes: Size of the file.
        format: ``safetensors`` or ``pth``.
        licence: Licence of the weights.
        data_licence: Licence of the training data.
        parameters: Number of parameters, without buffers.
        metrics: Measured values.
    """

    kind: ClassVar[str] = "weights"
    name: str
    task: str
    config: str
    urls: tuple[str, ...]
    sha256: str
    size_bytes: int
    format: str
    licence: str
    data_licence: str
    parameters: int
    metrics: tuple[MetricValue, ...]


@dataclass(frozen=True, slots=True)
class LegacyIndexRow:
    """A ``[[legacy_index]]`` row: a file in the package that lists legacy upstream weights."""

    kind: ClassVar[str] = "legacy_index"
    file: str
    summary: str | None = None


@dataclass(frozen=True, slots=True)
class LegacyMetric:
    """One value that upstream states; its index does not say which split and protocol."""

    name: str
    value: float
    dataset: str


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


@dataclass(frozen=True, slots=True)
class Manifest:
    """One checked ``zoo_plugin.toml``.

    Attributes:
        path: The file.
        plugin: Name of the plugin; its package is ``zoo_<plugin>``.
        version: Version, as in the plugin's pyproject.toml.
        api: Number of the manifest contract.
        summary: One line.
        license: Licence of the code, as an SPDX expression.
        homepage: Address, or None.
        notice: A sentence shown on overlays of its models, such as a limit of use; or None.
        requires: PEP 508 requirements on other distributions.
        contributions: Rows of every kind in ``zoo.manifest.kinds``; data sets as ``DatasetRow``.
        configs: ``[[config]]`` rows.
        weights: ``[[weights]]`` rows.
        legacy_indexes: ``[[legacy_index]]`` rows.
    """

    path: Path
    plugin: str
    version: str
    api: int
    summary: str
    license: str
    homepage: str | None = None
    notice: str | None = None
    requires: tuple[str, ...] = ()
    contributions: tuple[Contribution, ...] = ()
    configs: tuple[ConfigRow, ...] = ()
    weights: tuple[WeightsRow, ...] = ()
    legacy_indexes: tuple[LegacyIndexRow, ...] = field(default=())

    @property
    def package(self) -> str:
        """Return the name of the plugin's package."""
        return f"zoo_{self.plugin}"

    @property
    def folder(self) -> Path:
        """Return the folder of the package; all paths in the manifest are relative to it."""
        return self.path.parent

    @property
    def rows(self) -> tuple[Contribution | ConfigRow | WeightsRow, ...]:
        """Return every row that has a name: contributions, configs and weights."""
        return (*self.contributions, *self.configs, *self.weights)

    @property
    def datasets(self) -> tuple[DatasetRow, ...]:
        """Return the ``[[dataset]]`` rows."""
        return tuple(row for row in self.contributions if isinstance(row, DatasetRow))
